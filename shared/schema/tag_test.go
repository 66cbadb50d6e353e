package schema

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"tiercache/shared/invalidation"
	"tiercache/shared/testkit"
)

// canonical spells tags in SQL; "" for what is none.
func canonical(t rapid.TB, d *database, tags []string) []string {
	rows, err := d.Query(context.Background(), "SELECT coalesce(tiercache.canonical_tag(tag), '') FROM unnest($1::text[]) WITH ORDINALITY AS u (tag, n) ORDER BY n", tags)
	if err != nil {
		t.Fatalf("%q: %v", tags, err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%q: %v", tags, err)
	}
	return got
}

// The vectors are those that the rule in Go is tested with. PostgreSQL has no text with a NUL, nor, in a database
// with an encoding, one that is not in it.
func TestCanonicalTag_SharedVectors(t *testing.T) {
	var vectors []struct {
		Name  string `json:"name"`
		In    string `json:"in"`
		InHex string `json:"in_hex"`
		Tag   string `json:"tag"`
	}
	b, err := os.ReadFile("../invalidation/testdata/tags.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	d := installed(t)
	compared := 0
	for _, v := range vectors {
		if v.InHex != "" {
			raw, err := hex.DecodeString(v.InHex)
			if err != nil {
				t.Fatal(err)
			}
			v.In = string(raw)
		}
		if strings.Contains(v.In, "\x00") || !utf8.ValidString(v.In) {
			var got string
			if err := d.QueryRow(context.Background(), "SELECT tiercache.canonical_tag($1)", v.In).Scan(&got); err == nil {
				t.Errorf("%s: PostgreSQL took %q as text", v.Name, v.In)
			}
			continue
		}
		compared++
		if got := canonical(t, d, []string{v.In})[0]; got != v.Tag {
			t.Errorf("%s: %q, want %q", v.Name, got, v.Tag)
		}
	}
	if compared < 20 {
		t.Errorf("only %d vectors were compared", compared)
	}
}

// tags are what is hard to spell: escapes and half ones, separators, control characters, any character, long ones.
func tags() *rapid.Generator[string] {
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"%", "%4", "%4a", "%C3%a9", "%%41", " ", ",", "\"", "\\", "'", "\t", "\n", "\x7f", "ä", "ﬀ", "🛒", "{", "]", "-", ".", "[.", "[:alpha:]"}),
		rapid.StringMatching(`[ -~]{0,20}`),
		rapid.String(),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.SampledFrom([]string{"x", "é", "%41"}).Draw(t, "what"), rapid.IntRange(330, 1030).Draw(t, "times"))
		}),
	)
	return rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(part, 0, 5).Draw(t, "parts"), "")
		return strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "")
	})
}

func TestCanonicalTag_IsThatOfTheHeader(t *testing.T) {
	d := installed(t)
	rapid.Check(t, func(t *rapid.T) { sameSpelling(t, d, rapid.SliceOfN(tags(), 100, 100).Draw(t, "tags")) })
}

func sameSpelling(t rapid.TB, d *database, in []string) {
	got := canonical(t, d, in)
	for i, s := range in {
		want, err := invalidation.CanonicalTag(s)
		if got[i] != want || err != nil && !errors.Is(err, invalidation.ErrTag) {
			t.Fatalf("%q is %q in SQL and %q in a header, %v", s, got[i], want, err)
		}
	}
}

// A field has UTF-8, whatever the database is encoded in; and what a backslash means is up to no session.
func TestCanonicalTag_OtherEncodingsAndSettings(t *testing.T) {
	server := dial(t, testkit.Postgres(t))
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "UTF8"} {
		name := strings.ToLower("enc_" + encoding + server.Config().Database)
		server.do(t, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C'")
		t.Cleanup(func() { testkit.Execute(t, server.location, "DROP DATABASE "+name+" WITH (FORCE)") })
		d := installedAt(t, strings.Replace(server.location, server.Config().Database, name, 1))
		d.do(t, "SET standard_conforming_strings = off; SET backslash_quote = on; SET client_encoding = 'UTF8'")
		sameSpelling(t, d, slices.Concat([]string{`a\b`, "käse", `\`, `\\x41`, "a b-c", "Ü%c3", "100%"}))
	}
}
