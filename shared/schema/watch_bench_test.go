package schema

import "testing"

// BenchmarkWatch_Update100000 is what a bulk update of a table costs its writer, without a watch and with one.
func BenchmarkWatch_Update100000(b *testing.B) {
	for _, c := range []struct{ name, watch string }{
		{"none", ""},
		{"one", `SELECT tiercache.watch('t', 'product:{id}')`},
		{"two", `SELECT tiercache.watch('t', 'product:{id}', 'shop:{shop}')`},
		{"spaces", `SELECT tiercache.watch('t', 'product {id}')`},
		{"too-many", `SELECT tiercache.watch('t', 'product:{id}', 'again:{id}')`},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := installed(b)
			d.do(b, `CREATE TABLE t (id int PRIMARY KEY, shop int, price int, name text) WITH (autovacuum_enabled = off);
				INSERT INTO t SELECT n, n % 1000, n, 'product number ' || n FROM generate_series(1, 100000) n; ANALYZE t`)
			if c.watch != "" {
				d.do(b, c.watch)
			}
			for b.Loop() {
				d.do(b, `UPDATE t SET price = price + 1`)
				b.StopTimer()
				d.do(b, `DELETE FROM tiercache.outbox`)
				d.do(b, `VACUUM t`)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkWatch_UpdateOne is the same of one row by its key; commits do not wait for a disk here.
func BenchmarkWatch_UpdateOne(b *testing.B) {
	for name, watch := range map[string]string{"none": "", "one": `SELECT tiercache.watch('t', 'product:{id}')`} {
		b.Run(name, func(b *testing.B) {
			d := installed(b)
			d.do(b, `CREATE TABLE t (id int PRIMARY KEY, price int) WITH (fillfactor = 50); INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n`)
			if watch != "" {
				d.do(b, watch)
			}
			for i := 0; b.Loop(); i++ {
				d.do(b, `UPDATE t SET price = price + 1 WHERE id = $1`, i%1000+1)
			}
		})
	}
}
