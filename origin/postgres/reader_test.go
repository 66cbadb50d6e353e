package postgres

import (
	"errors"
	"testing"

	"tiercache/origin"
	"tiercache/shared/testkit"
)

func TestReader_RecentVersions(t *testing.T) {
	url := testkit.Postgres(t)
	r, err := OpenReader(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if there, err := r.Installed(t.Context()); err != nil || there {
		t.Errorf("without the schema: %v, %v", there, err)
	}
	s := open(t, Config{URL: url})
	if there, err := r.Installed(t.Context()); err != nil || !there {
		t.Errorf("with the schema: %v, %v", there, err)
	}
	a, b, none := addr("/a"), addr("/b"), addr("/none")
	write(t, s, "/a", []byte("one"))
	second := write(t, s, "/a", []byte("two"))
	write(t, s, "/b", []byte("other"))
	if _, err := s.Delete(t.Context(), a, origin.Conditions{}); err != nil {
		t.Fatal(err)
	}
	got, err := r.Recent(t.Context(), []origin.Address{a, b, none, a})
	if err != nil || len(got) != 2 || len(got[a]) != 3 || len(got[b]) != 1 {
		t.Fatalf("%v, %+v", err, got)
	}
	if v := got[a]; !v[0].Deleted || v[1].ETag() != second.ETag() || v[1].Ended.IsZero() || v[2].Version >= v[1].Version {
		t.Errorf("%+v", v)
	}
	if _, err := r.pool.Exec(t.Context(), `DELETE FROM origin.objects`); err == nil {
		t.Error("it can write")
	}
	gone, err := OpenReader(t.Context(), "postgres://tiercache@"+testkit.FreeAddr(t)+"/tiercache")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gone.Close)
	if _, err := gone.Recent(t.Context(), []origin.Address{a}); !errors.Is(err, origin.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
