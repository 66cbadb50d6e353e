package postgres

import (
	"fmt"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	s := open(t, Config{MaxConns: 1})
	for i := range 6 {
		execute(t, s, "INSERT INTO tiercache.outbox (id, kind, body) SELECT gen_random_uuid()::text || $1, 'purge', jsonb_build_object('mode','hard','tags', jsonb_build_array('product:'||n)) FROM generate_series(1,10000) n", fmt.Sprint("/", i))
		b := time.Now()
		execute(t, s, "SELECT count(*) FROM tiercache.sequence(10000)")
		fmt.Println(time.Since(b))
	}
}
