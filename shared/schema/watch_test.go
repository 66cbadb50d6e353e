package schema

import (
	"testing"
)

// shop is a database with a watched table that has one row.
func shop(t testing.TB) *database {
	t.Helper()
	d := installed(t)
	d.do(t, `CREATE TABLE products (id int PRIMARY KEY, name text, price int);
		INSERT INTO products VALUES (1, 'one', 10);
		SELECT tiercache.watch('products', 'product:{id}', 'name:{name}')`)
	return d
}

// Each way to change rows is a purge of the tags that they had and have.
func TestWatch_EachKindOfChange(t *testing.T) {
	d := shop(t)
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{`INSERT INTO products VALUES (2, 'two', 20), (3, 'two', 30)`, []string{"name:two", "product:2", "product:3"}},
		{`UPDATE products SET price = 11 WHERE id = 1`, []string{"name:one", "product:1"}},
		{`UPDATE products SET name = 'uno' WHERE id = 1`, []string{"name:one", "name:uno", "product:1"}},
		{`UPDATE products SET id = 4 WHERE id = 1`, []string{"name:uno", "product:1", "product:4"}},
		{`UPDATE products SET price = 0 WHERE id = 99`, nil},
		{`DELETE FROM products WHERE id = 4`, []string{"name:uno", "product:4"}},
		{`COPY products FROM PROGRAM 'printf "7\\tseven\\t7\\n8\\teight\\t8\\n"'`, []string{"name:eight", "name:seven", "product:7", "product:8"}},
		{`INSERT INTO products VALUES (7, 'sept', 7), (9, 'nine', 9) ON CONFLICT (id) DO UPDATE SET name = excluded.name`, []string{"name:nine", "name:sept", "name:seven", "product:7", "product:9"}},
		{`INSERT INTO products VALUES (7, 'x', 7) ON CONFLICT DO NOTHING`, nil},
		{`MERGE INTO products p USING (VALUES (7, 'd'), (8, 'u'), (10, 'i')) AS v (id, what) ON p.id = v.id
			WHEN MATCHED AND what = 'd' THEN DELETE WHEN MATCHED THEN UPDATE SET name = 'acht' WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'ten', 1)`,
			[]string{"name:acht", "name:eight", "name:sept", "name:ten", "product:10", "product:7", "product:8"}},
		{`WITH gone AS (DELETE FROM products WHERE id = 10 RETURNING *) INSERT INTO products SELECT id + 1, name, price FROM gone`,
			[]string{"name:ten", "name:ten", "product:10", "product:11"}},
		{`TRUNCATE products`, []string{"name:acht", "name:nine", "name:ten", "name:two", "product:11", "product:2", "product:3", "product:8", "product:9"}},
		{`TRUNCATE products`, nil},
	} {
		d.do(t, c.sql)
		d.purged(t, c.sql, c.want...)
	}
	d.warned(t)
}

func TestWatch_CommitRollbackSavepointPrepared(t *testing.T) {
	d := installedAt(t, preparing(t))
	d.do(t, `CREATE TABLE products (id int); SELECT tiercache.watch('products', 'p:{id}')`)
	d.do(t, `BEGIN; INSERT INTO products VALUES (1); SAVEPOINT s; INSERT INTO products VALUES (2); ROLLBACK TO s; INSERT INTO products VALUES (3); COMMIT`)
	d.purged(t, "a savepoint", "p:1", "p:3")
	d.do(t, `BEGIN; SAVEPOINT s; INSERT INTO products VALUES (1); ROLLBACK TO s; INSERT INTO products VALUES (2); INSERT INTO products VALUES (3); COMMIT`)
	d.purged(t, "a savepoint around the first change", "p:2", "p:3")
	d.do(t, `BEGIN; INSERT INTO products VALUES (4); TRUNCATE products; ROLLBACK`)
	d.purged(t, "a rollback")
	d.do(t, `BEGIN; INSERT INTO products VALUES (5); PREPARE TRANSACTION 'p'`)
	d.purged(t, "prepared")
	d.do(t, `COMMIT PREPARED 'p'`)
	d.purged(t, "committed", "p:5")
	d.do(t, `BEGIN; INSERT INTO products VALUES (6); PREPARE TRANSACTION 'p'`)
	d.do(t, `ROLLBACK PREPARED 'p'`)
	d.purged(t, "rolled back")
}

func TestWatch_Cascades(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE TABLE shops (id int PRIMARY KEY);
		CREATE TABLE items (id int PRIMARY KEY, shop int REFERENCES shops ON DELETE CASCADE ON UPDATE CASCADE);
		CREATE TABLE notes (item int REFERENCES items ON DELETE SET NULL);
		INSERT INTO shops VALUES (1), (2); INSERT INTO items VALUES (10, 1), (11, 1), (20, 2); INSERT INTO notes VALUES (10), (20);
		SELECT tiercache.watch('shops', 's:{id}'), tiercache.watch('items', 'i:{id}', 'of:{shop}'), tiercache.watch('notes', 'n:{item}')`)
	d.do(t, `UPDATE shops SET id = 3 WHERE id = 1`)
	d.purged(t, "update", "i:10", "i:11", "of:1", "of:3", "s:1", "s:3")
	d.do(t, `DELETE FROM shops WHERE id = 3`)
	d.purged(t, "delete", "i:10", "i:11", "n:10", "of:3", "s:3", "table:public.notes")
	d.do(t, `TRUNCATE shops CASCADE`)
	d.purged(t, "truncate", "i:20", "n:20", "of:2", "s:2", "table:public.notes")
	d.warned(t)
}

// What has no tag of its own is purged by that of the whole table.
func TestWatch_NullAndOverlongPartsAreTheCatchAll(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE SCHEMA "My.Shop"; CREATE TABLE "My.Shop"."odd ""na,me" (a text, b text); SELECT tiercache.watch('"My.Shop"."odd ""na,me"', '{a}/{b}', '{a}')`)
	const all = `table:My.Shop.odd%20%22na%2Cme`
	if got := value[string](t, d, "SELECT catch_all FROM tiercache.watches"); got != all {
		t.Fatalf("the catch-all is %s", got)
	}
	d.do(t, `SET search_path = "My.Shop"`)
	for values, want := range map[string][]string{
		`('x', NULL)`:                              {all, "x"},
		`(NULL, NULL), (NULL, 'y')`:                {all},
		`('', 'y')`:                                {"/y", all},
		`('x', repeat('y', 1022))`:                 {"x", "x/" + string(repeat('y', 1022))},
		`('x', repeat('y', 1023))`:                 {all, "x"},
		`(repeat('ä', 171), 'y')`:                  {all},
		`(repeat('y', 20000000), 'y'), ('z', 'y')`: {all, "z", "z/y"},
		`('%41 %zz', '{}')`:                        {"%41%20%25zz", "%41%20%25zz/{}"},
	} {
		d.do(t, `INSERT INTO "odd ""na,me" VALUES `+values)
		d.purged(t, values, want...)
	}
	d.warned(t)
}

func repeat(c byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = c
	}
	return b
}

func TestWatch_Templates(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE TABLE t (id int, "Odd ""col" text, code char(5), at timestamptz, ok boolean, double int GENERATED ALWAYS AS (id * 2) STORED, gone int, list int[], r float8);
		ALTER TABLE t DROP COLUMN gone`)
	for template, want := range map[string]string{
		"{id}-{double}-{id}": "7-14-7",
		"50%{{{id}}}%s":      "50%25{7}%25s",
		"all":                "all",
		`{Odd "col}`:         "o'x",
		"[{code}]":           "[ab]",
		"{at}":               "2026-01-02%2002:04:05+00",
		"{ok}{list}":         "t{1%2C2}",
		`\{r}'$$`:            `\0.1'$$`,
		"ä, b":               "%C3%A4%2C%20b",
	} {
		d.do(t, "SELECT tiercache.watch('t', $1)", template)
		d.do(t, `SET timezone = 'America/Lima'; SET datestyle = 'German'; SET extra_float_digits = -3; SET standard_conforming_strings = off`)
		d.do(t, `INSERT INTO t VALUES (7, 'o''x', 'ab', '2026-01-02 02:04:05+00', true, DEFAULT, '{1,2}', 0.1)`)
		d.do(t, "RESET ALL")
		d.purged(t, template, want)
	}
	for template, says := range map[string]string{
		"{idd}": `column idd of table public.t does not exist`, "{gone}": "column gone", "{ctid}": "column ctid", "{ID}": `column "ID"`, "{}": `column "" of`,
		"{........pg.dropped.7........}": "does not exist",
	} {
		d.fails(t, "42703", says, "SELECT tiercache.watch('t', $1)", template)
	}
	for template, says := range map[string]string{"{id": "a { stands alone", "id}": "a } stands alone", "{id}}": "a } stands", "{a{id}": "a { stands", "": "1 to 1024 bytes", string(repeat('x', 1025)): "1 to 1024 bytes"} {
		d.fails(t, "22023", says, "SELECT tiercache.watch('t', $1)", template)
	}
	d.fails(t, "22023", "1 to 1024 bytes", "SELECT tiercache.watch('t', NULL)")
	d.fails(t, "22023", "1 to 16 templates", "SELECT tiercache.watch('t', VARIADIC '{}')")
	d.fails(t, "22023", "1 to 16 templates", "SELECT tiercache.watch('t', VARIADIC NULL)")
	d.fails(t, "22023", "1 to 16 templates", "SELECT tiercache.watch('t', VARIADIC array_fill('x'::text, '{17}'))")
	d.fails(t, "22023", "not the name of a service", "SELECT tiercache.watch_in('A b', 't', 'x')")
}

func TestWatch_OneService(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE TABLE t (id int); SELECT tiercache.watch_in('shop', 't', 't:{id}'); INSERT INTO t VALUES (1), (NULL)`)
	d.purged(t, "insert", "shop/t:1", "shop/table:public.t")
	d.do(t, `ALTER TABLE t RENAME COLUMN id TO number; INSERT INTO t VALUES (1)`)
	d.purged(t, "a column is gone", "service shop")
	d.warned(t, "purges service shop instead")
}

func TestWatch_Unwatch(t *testing.T) {
	d := shop(t)
	d.do(t, `SELECT tiercache.watch('products', 'p:{id}')`) // takes the place of the other
	d.do(t, `ALTER TABLE products RENAME TO goods; INSERT INTO goods VALUES (2), (3)`)
	d.purged(t, "renamed", "p:2", "p:3")
	d.do(t, `SELECT tiercache.unwatch('goods'); INSERT INTO goods VALUES (4)`)
	d.purged(t, "unwatched")
	d.fails(t, "42704", "public.goods is not watched", `SELECT tiercache.unwatch('goods')`)
	d.fails(t, "42704", "NULL is not watched", `SELECT tiercache.unwatch(NULL)`)
	if n := value[int](t, d, `SELECT count(*) FROM pg_trigger WHERE tgrelid = 'goods'::regclass`); n != 0 {
		t.Errorf("%d triggers are left", n)
	}
}

func TestWatch_WhatIsNoTable(t *testing.T) {
	d := installed(t)
	d.do(t, `CREATE TABLE t (id int); CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE INDEX i ON t (id);
		CREATE SEQUENCE s; CREATE TEMP TABLE temp (id int)`)
	for name, says := range map[string]string{
		"v": "v is a view", "m": "m is a view", "i": "not a table", "s": "not a table", "temp": "temporary", "pg_class": "belongs to the system",
		"tiercache.outbox": "in the schema of tiercache itself",
	} {
		d.fails(t, "42809", says, "SELECT tiercache.watch($1::text::regclass, '{id}')", name)
	}
	d.fails(t, "42809", "no such table", "SELECT tiercache.watch(1::oid::regclass, '{id}')")
	d.fails(t, "42809", "no such table", "SELECT tiercache.watch(NULL, '{id}')")
	d.fails(t, "42P01", "does not exist", "SELECT tiercache.watch('nobody', '{id}')")
	d.fails(t, "42602", "invalid name syntax", "SELECT tiercache.watch('t; DROP TABLE t', '{id}')")
}
