package controllog_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/controllog"
)

// texts are some that JSON writes as they are, and others.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringMatching(`[a-z0-9.:-]{0,12}`), rapid.String())
}

func renews() *rapid.Generator[controllog.Renew] {
	return rapid.Custom(func(t *rapid.T) controllog.Renew {
		text := func() string { return texts().Draw(t, "text") }
		return controllog.Renew{
			Node: text(), Tier: text(), Region: text(), Addr: text(), Nonce: text(), Instance: text(), Replaces: text(),
			Applied: rapid.Uint64().Draw(t, "applied"), Chain: rapid.Uint64().Draw(t, "chain"), Lost: rapid.Uint64().Draw(t, "lost"),
			Join: rapid.Bool().Draw(t, "join"), Leave: rapid.Bool().Draw(t, "leave"), Report: rapid.Bool().Draw(t, "report"),
		}
	})
}

func replies() *rapid.Generator[controllog.RenewReply] {
	return rapid.Custom(func(t *rapid.T) controllog.RenewReply {
		flag := func() bool { return rapid.Bool().Draw(t, "flag") }
		return controllog.RenewReply{
			Nonce: texts().Draw(t, "nonce"), Head: rapid.Uint64().Draw(t, "head"), ReportMicros: rapid.Int64().Draw(t, "report"),
			Refused: texts().Draw(t, "refused"), Drain: flag(), Taken: flag(), Branched: flag(),
		}
	})
}

// TestRenew_WrittenAsBefore: nodes and control of several releases talk to each other.
func TestRenew_WrittenAsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		renew, reply := renews().Draw(t, "renew"), replies().Draw(t, "reply")
		for _, v := range []interface {
			AppendJSON(b []byte) ([]byte, error)
		}{&renew, &reply} {
			want, err := json.Marshal(v)
			got, err2 := v.AppendJSON(nil)
			if err != nil || err2 != nil || string(got) != string(want) {
				t.Fatalf("%s, %v, want %s, %v", got, err2, want, err)
			}
			readAsBefore(t, got)
		}
	})
}

// readAsBefore wants what encoding/json reads.
func readAsBefore(t interface{ Errorf(string, ...any) }, b []byte) {
	renew, err := controllog.DecodeRenew(b)
	want := new(controllog.Renew)
	if err2 := json.Unmarshal(b, want); (err == nil) != (err2 == nil) || err == nil && *renew != *want {
		t.Errorf("%q: %+v, %v, want %+v, %v", b, renew, err, want, err2)
	}
	reply, err := controllog.DecodeRenewReply(b)
	var wanted controllog.RenewReply
	if err2 := json.Unmarshal(b, &wanted); (err == nil) != (err2 == nil) || err == nil && !reflect.DeepEqual(reply, wanted) {
		t.Errorf("%q: %+v, %v, want %+v, %v", b, reply, err, wanted, err2)
	}
}

func FuzzRenew(f *testing.F) {
	for _, text := range []string{
		`{"node":"edge-1","tier":"edge","region":"r1","addr":"10.0.0.1:80","applied":18446744073709551615,"chain":1,"nonce":"n","instance":"i","replaces":"j","join":true,"leave":false}`,
		`{"nonce":"n","head":7,"report_us":50000,"drain":true,"refused":"no","taken":true,"branched":true}`,
		`{"nonce":"n","head":7,"report_us":-1}`, `{"nonce":"n","head":18446744073709551616}`, `{"nonce":"n","report_us":9223372036854775808}`,
		`{"nonce":"n","head":07}`, `{"nonce":"n","head":}`, `{"nonce":"n","head":1.5}`, `{"nonce":"n","head":1e3}`, `{"nonce":"n","drain":null}`, `{"nonce":"n","drain":truex}`,
		`{"Nonce":"n"}`, `{"nonce":"n","nonce":"m"}`, `{"other":[1,{"a":2}],"nonce":"n"}`, `{ "nonce" : "n" }`, `{"nonce":"\u0041"}`, "{\"nonce\":\"\xff\"}", "{\"nonce\":\"\n\"}",
		`{}`, `{"nonce":"n"`, `{"nonce":"n"}x`, `{"nonce":"n",}`, `{,"nonce":"n"}`, `{"nonce"}`, ``, `null`, `[]`, `"x"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) { readAsBefore(t, b) })
}

func BenchmarkRenew(b *testing.B) {
	r := controllog.Renew{Node: "edge-1", Tier: "edge", Region: "r1", Addr: "10.0.0.1:80", Applied: 1795996800000000, Chain: 12297829382473034410, Nonce: "UHTVDSDFBXPTEUNIFZZYOZ2XHU", Instance: "IHTVDSDFBXPTEUNIFZZYOZ2XHU"}
	b.Run("here", func(b *testing.B) {
		for b.Loop() {
			encoded, _ := r.AppendJSON(nil)
			_, _ = controllog.DecodeRenew(encoded)
		}
	})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			encoded, _ := json.Marshal(&r)
			_ = json.Unmarshal(encoded, new(controllog.Renew))
		}
	})
}
