package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Whatever becomes of a table or of the schema, those who write to the table go on, and purge more rather than less.
func TestWatch_NeverFailsTheWriter(t *testing.T) {
	d := shop(t)
	for _, c := range []struct{ change, warning string }{
		{`ALTER TABLE products DROP COLUMN name`, "column r.name does not exist"},
		{`ALTER TABLE products RENAME COLUMN id TO number`, "column r.id does not exist"},
		{`DROP FUNCTION tiercache.canonical_tag(text)`, "canonical_tag(text) does not exist"},
		{`CREATE OR REPLACE TRIGGER tiercache_update AFTER UPDATE ON products FOR EACH ROW EXECUTE FUNCTION tiercache.on_change('{"tags": [{"format": "a", "columns": []}]}')`, "tiercache_new"},
		{`CREATE OR REPLACE TRIGGER tiercache_update AFTER UPDATE ON products FOR EACH STATEMENT EXECUTE FUNCTION tiercache.on_change('{]')`, "invalid input syntax for type json"},
		{`CREATE OR REPLACE TRIGGER tiercache_update AFTER UPDATE ON products FOR EACH STATEMENT EXECUTE FUNCTION tiercache.on_change()`, "relation \"tiercache_new\" does not exist"},
		{`CREATE OR REPLACE TRIGGER tiercache_update AFTER UPDATE ON products FOR EACH STATEMENT EXECUTE FUNCTION tiercache.on_change('{"tags": 1}')`, "cannot extract elements from a scalar"},
	} {
		d.do(t, `BEGIN; `+c.change+`; UPDATE products SET price = price + 1`)
		d.warned(t, c.warning)
		if n := value[int](t, d, `SELECT count(*) FROM tiercache.pending WHERE names = '{"all": true}'`); n != 1 {
			t.Errorf("%s: %d purges of everything", c.change, n)
		}
		d.do(t, `ROLLBACK`)
	}
	for _, change := range []string{
		`ALTER TABLE tiercache.outbox RENAME TO hidden`, `ALTER TABLE tiercache.outbox ADD CHECK (false) NOT VALID`, `DROP FUNCTION tiercache.enqueue(jsonb, text[])`,
		`CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''boom''; END'; CREATE TRIGGER boom BEFORE INSERT ON tiercache.outbox EXECUTE FUNCTION boom()`,
	} {
		d.do(t, `BEGIN; `+change+`; UPDATE products SET price = price + 1; UPDATE products SET price = price + 1`)
		d.warned(t, "is NOT purged", "is NOT purged")
		d.do(t, `ROLLBACK`)
	}
	d.do(t, `UPDATE products SET price = price + 1`)
	d.purged(t, "put right", "name:one", "product:1")
}

// The block that catches errors costs a transaction id once in a transaction, not with each statement.
func TestWatch_OneSubtransaction(t *testing.T) {
	d := shop(t)
	d.do(t, `CREATE EXTENSION IF NOT EXISTS pageinspect`)
	d.do(t, `BEGIN; `+strings.Repeat(`UPDATE products SET price = price + 1;`, 50)+` COMMIT`)
	if n := value[int](t, d, `SELECT count(DISTINCT t_xmin::text) FROM heap_page_items(get_raw_page('tiercache.outbox', 0)) WHERE t_xmin IS NOT NULL`); n != 2 {
		t.Errorf("%d transaction ids", n)
	}
	if got := d.words(t); len(got) != 100 {
		t.Errorf("%d tags", len(got))
	}
}

// Errors that the application must see are not caught.
func TestWatch_CancelAndSerializationReachTheWriter(t *testing.T) {
	d := shop(t)
	other := dial(t, d.location)
	d.do(t, `BEGIN; LOCK TABLE tiercache.outbox IN ACCESS EXCLUSIVE MODE`)
	other.do(t, `SET statement_timeout = '300ms'; SET lock_timeout = '50ms'`)
	other.fails(t, "57014", "canceling statement due to statement timeout", `UPDATE products SET price = 1`)
	d.do(t, `COMMIT`)
	other.do(t, `UPDATE products SET price = 1`)
	d.purged(t, "afterwards", "name:one", "product:1")
	d.warned(t)
}

func TestWatch_ReplicaRole(t *testing.T) {
	d := shop(t)
	d.do(t, `SET session_replication_role = replica; INSERT INTO products VALUES (2, 'two', 2)`)
	d.purged(t, "replica", "name:two", "product:2")
	d.do(t, `TRUNCATE products`)
	d.purged(t, "truncate", "name:one", "name:two", "product:1", "product:2")
}

// Names and data are never taken for SQL.
func TestWatch_Injection(t *testing.T) {
	d := installed(t)
	const evil = `x"); DELETE FROM tiercache.outbox; --'$$%s\`
	quoted := `"` + strings.ReplaceAll(evil, `"`, `""`) + `"`
	d.do(t, `CREATE SCHEMA `+quoted+`; CREATE TABLE `+quoted+`.`+quoted+` (`+quoted+` text)`)
	table := quoted + "." + quoted
	d.do(t, `SELECT tiercache.watch($1::text::regclass, $2, $3)`, table, "{"+evil+"}", evil)
	d.do(t, `INSERT INTO `+table+` VALUES ($1), ('y')`, evil)
	want := []string{`x%22);%20DELETE%20FROM%20tiercache.outbox;%20--'$$%25s\`, `x%22);%20DELETE%20FROM%20tiercache.outbox;%20--'$$%25s\`, "y"}
	if got := d.words(t); !slices.Equal(slices.Compact(got), slices.Compact(want)) {
		t.Errorf("%q", got)
	}
	d.do(t, `TRUNCATE `+table)
	if got := d.words(t); len(got) != 2 {
		t.Errorf("%q", got)
	}
	d.warned(t)
	d.do(t, `SELECT tiercache.unwatch($1::text::regclass)`, table)
}

// Those who write while columns come and go never fail, and each change is purged, by its tag or by more.
func TestWatch_ConcurrentDDL(t *testing.T) {
	d := shop(t)
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range 4 {
		c := dial(t, d.location)
		wg.Go(func() {
			for i := range 30 {
				if _, err := c.Exec(ctx, `INSERT INTO products (id) VALUES ($1)`, 1000*w+100+i); err != nil {
					t.Errorf("writer: %v", err)
				}
			}
		})
	}
	for i := range 10 {
		d.do(t, `ALTER TABLE products DROP COLUMN name`)
		d.do(t, `ALTER TABLE products ADD COLUMN name text`)
		d.do(t, fmt.Sprintf(`SELECT tiercache.watch('products', 'product:{id}', 'name:{name}', '%d')`, i))
	}
	wg.Wait()
	words := d.words(t)
	whole, tagged := 0, map[string]bool{}
	for _, w := range words {
		if w == "all" {
			whole++
		}
		tagged[w] = strings.HasPrefix(w, "product:")
	}
	n := 0
	for _, ok := range tagged {
		if ok {
			n++
		}
	}
	if whole+n < 120 {
		t.Errorf("%d rows by tag and %d by all", n, whole)
	}
}
