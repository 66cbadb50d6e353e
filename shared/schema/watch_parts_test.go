package schema

import (
	"testing"
)

func TestWatch_Partitions(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE TABLE sales (id int, year int, note text) PARTITION BY RANGE (year);
		CREATE TABLE sales_25 PARTITION OF sales FOR VALUES FROM (2025) TO (2026);
		CREATE TABLE sales_26 PARTITION OF sales FOR VALUES FROM (2026) TO (2027) PARTITION BY LIST (id);
		CREATE TABLE sales_26_1 PARTITION OF sales_26 FOR VALUES IN (1, NULL);
		CREATE TABLE sales_27 (note text, year int, id int);
		SELECT tiercache.watch('sales', 's:{id}')`)
	for sql, want := range map[string][]string{
		`INSERT INTO sales VALUES (7, 2025), (1, 2026), (NULL, 2026)`: {"s:1", "s:7", "table:public.sales"},
		`INSERT INTO sales_25 VALUES (8, 2025)`:                       {"s:8"},
		`INSERT INTO sales_26_1 VALUES (1, 2026), (NULL, 2026)`:       {"s:1", "table:public.sales"},
	} {
		d.do(t, sql)
		d.purged(t, sql, want...)
	}
	d.do(t, `UPDATE sales SET year = 2026, id = 1 WHERE id = 7`) // moves to another partition
	d.purged(t, "a row moves", "s:1", "s:7")
	d.do(t, `TRUNCATE sales_25`)
	d.purged(t, "truncate a partition", "s:8")

	d.do(t, `ALTER TABLE sales ATTACH PARTITION sales_27 FOR VALUES FROM (2027) TO (2028); INSERT INTO sales VALUES (9, 2027)`)
	d.purged(t, "through the parent into a partition that was attached later", "s:9")
	if got := value[string](t, d, "SELECT problem FROM tiercache.watches"); got != "public.sales_27 lacks triggers, or has some that are not always enabled" {
		t.Errorf("problem: %s", got)
	}
	d.do(t, `SELECT tiercache.watch('sales', 's:{id}'); INSERT INTO sales_27 (id, year) VALUES (10, 2027)`)
	d.purged(t, "watched again", "s:10")
	if got := value[*string](t, d, "SELECT problem FROM tiercache.watches"); got != nil {
		t.Errorf("problem: %s", *got)
	}
	d.fails(t, "55006", "public.sales_25 is watched as a part of public.sales", `SELECT tiercache.watch('sales_25', 'x')`)
	d.fails(t, "55006", "is watched as a part of", `SELECT tiercache.unwatch('sales_26_1')`)

	d.do(t, `ALTER TABLE sales DETACH PARTITION sales_25; INSERT INTO sales_25 VALUES (11, 2025)`)
	d.purged(t, "a partition that was detached is watched on", "s:11")
	if n := value[int](t, d, "SELECT count(*) FROM tiercache.watches"); n != 2 {
		t.Errorf("%d watches", n)
	}
	d.do(t, `SELECT tiercache.unwatch('sales'), tiercache.unwatch('sales_25')`)
	if n := value[int](t, d, "SELECT count(*) FROM tiercache.watch_triggers"); n != 0 {
		t.Errorf("%d triggers are left", n)
	}
	d.warned(t)
}

func TestWatch_Inheritance(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE TABLE base (id int); CREATE TABLE more (extra text) INHERITS (base); SELECT tiercache.watch('more', '{extra}')`)
	d.fails(t, "55006", "public.more, a part of public.base, has a watch of its own", `SELECT tiercache.watch('base', 'b:{id}')`)
	d.do(t, `SELECT tiercache.unwatch('more'), tiercache.watch('base', 'b:{id}'); INSERT INTO more VALUES (1, 'x')`)
	d.purged(t, "insert into the child", "b:1")
	d.do(t, `INSERT INTO base VALUES (2); UPDATE base SET id = id + 10`)
	d.purged(t, "update through the parent", "b:1", "b:11", "b:12", "b:2", "b:2")
	d.do(t, `TRUNCATE base`)
	d.purged(t, "truncate", "b:11", "b:12")
}

func TestWatch_ForeignParts(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
		CREATE TABLE base (id int) PARTITION BY RANGE (id); CREATE FOREIGN TABLE f PARTITION OF base FOR VALUES FROM (0) TO (9) SERVER files OPTIONS (filename '/dev/null')`)
	d.fails(t, "42809", "public.base has a foreign table, public.f, as a part", `SELECT tiercache.watch('base', 'b:{id}')`)
	d.fails(t, "42809", "public.f is a foreign table", `SELECT tiercache.watch('f', 'b:{id}')`)
}

func TestWatch_Truncate(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE TABLE t (id int); CREATE TABLE u (id int); SELECT tiercache.watch('t', 'all-of-t'), tiercache.watch_in('shop', 'u', 'u:{id}');
		INSERT INTO t SELECT generate_series(1, 100001); INSERT INTO u SELECT generate_series(1, 100001)`)
	d.purged(t, "more rows than a purge has tags", "all-of-t", "service shop")
	d.do(t, `TRUNCATE t, u`)
	d.purged(t, "truncated", "all", "service shop")
	d.do(t, `INSERT INTO u SELECT generate_series(1, 100000)`)
	d.words(t)
	d.do(t, `TRUNCATE u`)
	if got := d.words(t); len(got) != 100000 || got[0] != "shop/u:1" {
		t.Errorf("%d tags", len(got))
	}
	// Its snapshot does not show what another transaction has inserted, and truncate removes that too.
	d.do(t, `INSERT INTO t VALUES (1)`)
	d.words(t)
	d.do(t, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM u; TRUNCATE t; COMMIT`)
	d.purged(t, "truncated with an old snapshot", "all")
	d.warned(t)
}
