package sequencing

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"tiercache/loadtests/processes"
)

// Watched is what a watch costs those who write to the table: pgbench, 4 clients, one update of one row a transaction.
type Watched struct {
	Without, With []float64 // transactions a second, in turn
	Load          string
}

// rounds is how often each is measured: in turn, so that what else the machine does falls on both.
const rounds = 3

const benchTable = `DROP TABLE IF EXISTS public.bench_watched;
	CREATE TABLE public.bench_watched (id int PRIMARY KEY, n int NOT NULL) WITH (fillfactor = 50);
	INSERT INTO public.bench_watched SELECT n, 0 FROM generate_series(1, 10000) AS n`

func (r *run) watched(ctx context.Context, report *Report) error {
	if r.cfg.Pgbench == "" {
		return nil
	}
	script := filepath.Join(r.cfg.DataDir, "watched.sql")
	update := "\\set id random(1, 10000)\nUPDATE public.bench_watched SET n = n + 1 WHERE id = :id;\n"
	if err := os.WriteFile(script, []byte(update), 0o600); err != nil {
		return err
	}
	if err := r.db.exec(ctx, benchTable); err != nil {
		return err
	}
	var w Watched
	for range rounds {
		for _, step := range []struct {
			change string
			into   *[]float64
		}{{"", &w.Without}, {"SELECT tiercache.watch('public.bench_watched', 'bench:{id}')", &w.With}} {
			if step.change != "" {
				if err := r.db.exec(ctx, step.change); err != nil {
					return err
				}
			}
			tps, err := r.pgbench(ctx, script)
			if err != nil {
				return err
			}
			*step.into = append(*step.into, tps)
			r.say("pgbench, watched: %t: %.0f transactions a second", step.change != "", tps)
		}
		if err := r.db.exec(ctx, "SELECT tiercache.unwatch('public.bench_watched')"); err != nil {
			return err
		}
	}
	w.Load = processes.Load()
	report.Watched = &w
	return nil
}

func (r *run) pgbench(ctx context.Context, script string) (tps float64, err error) {
	seconds := max(1, int(r.cfg.Lasting/6/time.Second))
	cmd := exec.CommandContext(ctx, r.cfg.Pgbench, "-n", "-c", strconv.Itoa(writers), "-T", strconv.Itoa(seconds), "-f", script)
	u := r.db.url
	password, _ := u.User.Password()
	cmd.Env = append(os.Environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGUSER="+u.User.Username(), "PGPASSWORD="+password, "PGDATABASE="+filepath.Base(u.Path))
	out, err := cmd.CombinedOutput()
	found := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)
	if err != nil || found == nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
