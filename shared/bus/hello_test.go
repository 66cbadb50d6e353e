package bus

import (
	"errors"
	"strings"
	"testing"
)

func TestDecodeHello_TheSubjectDecidesWhoSpeaks(t *testing.T) {
	const subject = HelloRoot + "edge.edge-1"
	if h, err := decodeHello(subject, []byte(`{"tier":"edge","node":"edge-1","ready":true,"new_field":1}`)); err != nil || !h.Ready {
		t.Errorf("got %+v, %v", h, err)
	}
	for _, bad := range []string{
		"", "null", "{}", "[]", `{"tier":"control","node":"edge-1"}`, `{"tier":"edge","node":"edge-2"}`,
		`{"tier":"edge","node":"edge-1","version":"` + strings.Repeat("v", maxHello) + `"}`,
	} {
		if _, err := decodeHello(subject, []byte(bad)); !errors.Is(err, ErrHello) {
			t.Errorf("%.40s: got %v", bad, err)
		}
	}
}

func FuzzDecodeHello(f *testing.F) {
	f.Add("edge.edge-1", []byte(`{"tier":"edge","node":"edge-1"}`))
	f.Add("edge", []byte(`{}`))
	f.Fuzz(func(t *testing.T, rest string, payload []byte) {
		h, err := decodeHello(HelloRoot+rest, payload)
		if err == nil && h.Tier+"."+h.Node != rest {
			t.Errorf("%q says %q", rest, h.Tier+"."+h.Node)
		}
	})
}
