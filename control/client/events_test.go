package client

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const twoEvents = ": ping\n\nretry: 1000\n\nid: 7\nevent: purge\ndata: {\"type\":\"purge\",\n" +
	"data:\"epoch\":7}\n\nevent: member\ndata: {\"type\":\"member\",\"detail\":{\"node\":\"edge-1\"}}\n\ndata: {\"type\":\"cut\""

func TestEvents_ReadsWhatIsWhole(t *testing.T) {
	var asked string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = io.WriteString(w, twoEvents)
	}))
	defer srv.Close()
	c, err := New(Config{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	var got []Event
	err = c.Events(t.Context(), 5, func(e Event) error { got = append(got, e); return nil })
	if !errors.Is(err, ErrUnreachable) || asked != "/v1/events?since=5" {
		t.Errorf("%v, asked for %s", err, asked)
	}
	if len(got) != 2 || got[0].Epoch != 7 || got[1].Type != EventMember || string(got[1].Detail) != `{"node":"edge-1"}` {
		t.Errorf("%+v", got)
	}
	enough := errors.New("enough")
	if err := c.Events(t.Context(), FromNow, func(Event) error { return enough }); !errors.Is(err, enough) || asked != "/v1/events" {
		t.Errorf("%v, asked for %s", err, asked)
	}
}

func TestEvents_Refused(t *testing.T) {
	err := answer(t, 503, `{"detail":"too many"}`).Events(t.Context(), 0, nil)
	var p *Problem
	if !errors.As(err, &p) || p.Status != 503 || !strings.Contains(err.Error(), "too many") {
		t.Errorf("%v", err)
	}
	if err := answer(t, 200, "data: <html>\n\n").Events(t.Context(), 0, nil); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("%v", err)
	}
}

func TestProblem_NamesFieldsAndPlaces(t *testing.T) {
	const body = `{"title":"Unprocessable Entity","detail":"it is not valid","errors":[{"message":"too long","location":"rules[0].ttl","line":3,"column":8},{"message":"m"}]}`
	_, err := answer(t, 422, body).PutService(t.Context(), "a", nil, -1)
	if want := "control answered 422 Unprocessable Entity: it is not valid: 3:8: rules[0].ttl: too long: m"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
