package controllog

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Renewals are most of what control hears: each node sends some each second. So they are written and read here without
// reflection. Each function does what encoding/json does, and leaves to it whatever is not of the plain form that
// AppendJSON writes: no blanks, no escapes, no names that are not known.

// plainSize is more than most take, in bytes.
const plainSize = 256

// AppendJSON appends the renewal as JSON.
func (r *Renew) AppendJSON(b []byte) ([]byte, error) {
	for _, text := range [...]string{r.Node, r.Tier, r.Region, r.Addr, r.Nonce, r.Instance, r.Replaces} {
		if !isPlain(text) {
			return appendMarshalled(b, r)
		}
	}
	b = appendText(slices.Grow(b, plainSize), `{"node":`, r.Node)
	b = appendText(b, `,"tier":`, r.Tier)
	b = appendText(b, `,"region":`, r.Region)
	b = appendText(b, `,"addr":`, r.Addr)
	b = strconv.AppendUint(append(b, `,"applied":`...), r.Applied, 10)
	if r.Chain != 0 {
		b = strconv.AppendUint(append(b, `,"chain":`...), r.Chain, 10)
	}
	b = appendText(b, `,"nonce":`, r.Nonce)
	b = appendText(b, `,"instance":`, r.Instance)
	if r.Replaces != "" {
		b = appendText(b, `,"replaces":`, r.Replaces)
	}
	b = appendTrue(b, `,"join":`, r.Join)
	b = appendTrue(b, `,"leave":`, r.Leave)
	b = appendTrue(b, `,"report":`, r.Report)
	if r.Lost != 0 {
		b = strconv.AppendUint(append(b, `,"lost":`...), r.Lost, 10)
	}
	return append(b, '}'), nil
}

// DecodeRenew reads a renewal. Errors: those of encoding/json.
func DecodeRenew(b []byte) (*Renew, error) {
	r := new(Renew)
	f := flat{rest: string(b)}
	for name := range f.names {
		switch name {
		case "node":
			r.Node = f.text()
		case "tier":
			r.Tier = f.text()
		case "region":
			r.Region = f.text()
		case "addr":
			r.Addr = f.text()
		case "applied":
			r.Applied = f.number()
		case "chain":
			r.Chain = f.number()
		case "nonce":
			r.Nonce = f.text()
		case "instance":
			r.Instance = f.text()
		case "replaces":
			r.Replaces = f.text()
		case "join":
			r.Join = f.boolean()
		case "leave":
			r.Leave = f.boolean()
		case "report":
			r.Report = f.boolean()
		case "lost":
			r.Lost = f.number()
		default:
			f.odd = true
		}
	}
	if f.odd {
		r = new(Renew)
		return r, json.Unmarshal(b, r)
	}
	return r, nil
}

// AppendJSON appends the answer as JSON.
func (r *RenewReply) AppendJSON(b []byte) ([]byte, error) {
	if !isPlain(r.Nonce) || !isPlain(r.Refused) {
		return appendMarshalled(b, r)
	}
	b = appendText(slices.Grow(b, plainSize), `{"nonce":`, r.Nonce)
	b = strconv.AppendUint(append(b, `,"head":`...), r.Head, 10)
	if r.ReportMicros != 0 {
		b = strconv.AppendInt(append(b, `,"report_us":`...), r.ReportMicros, 10)
	}
	b = appendTrue(b, `,"drain":`, r.Drain)
	if r.Refused != "" {
		b = appendText(b, `,"refused":`, r.Refused)
	}
	b = appendTrue(b, `,"taken":`, r.Taken)
	b = appendTrue(b, `,"branched":`, r.Branched)
	return append(b, '}'), nil
}

// DecodeRenewReply reads an answer. Errors: those of encoding/json.
func DecodeRenewReply(b []byte) (r RenewReply, err error) {
	f := flat{rest: string(b)}
	for name := range f.names {
		switch name {
		case "nonce":
			r.Nonce = f.text()
		case "head":
			r.Head = f.number()
		case "report_us":
			r.ReportMicros = int64(f.number())
			f.odd = f.odd || r.ReportMicros < 0
		case "drain":
			r.Drain = f.boolean()
		case "refused":
			r.Refused = f.text()
		case "taken":
			r.Taken = f.boolean()
		case "branched":
			r.Branched = f.boolean()
		default:
			f.odd = true
		}
	}
	if f.odd {
		r = RenewReply{}
		err = json.Unmarshal(b, &r)
	}
	return r, err
}

func appendMarshalled(b []byte, v any) ([]byte, error) {
	encoded, err := json.Marshal(v)
	return append(b, encoded...), err
}

func appendText(b []byte, name, text string) []byte {
	return append(append(append(append(b, name...), '"'), text...), '"')
}

func appendTrue(b []byte, name string, v bool) []byte {
	if v {
		b = append(append(b, name...), "true"...)
	}
	return b
}

// isPlain reports whether JSON writes the text as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// flat reads an object of texts, numbers and booleans.
type flat struct {
	rest string
	odd  bool // it is of another form, and what was read does not count
}

// names goes through the names; what is called with each reads its value.
func (f *flat) names(yield func(name string) bool) {
	for open := "{"; !f.odd; open = "," {
		f.skip(open)
		name := f.text()
		f.skip(":")
		if f.odd || !yield(name) || f.odd {
			return
		}
		if f.rest == "}" {
			return
		}
	}
}

func (f *flat) skip(text string) {
	if len(f.rest) < len(text) || f.rest[:len(text)] != text {
		f.odd = true
		return
	}
	f.rest = f.rest[len(text):]
}

func (f *flat) text() (text string) {
	f.skip(`"`)
	for i := range len(f.rest) {
		switch c := f.rest[i]; {
		case c == '"':
			text, f.rest = f.rest[:i], f.rest[i+1:]
			return text
		case c < ' ', c > '~', c == '\\':
			f.odd = true
			return ""
		}
	}
	f.odd = true
	return ""
}

func (f *flat) number() uint64 {
	digits := 0
	for digits < len(f.rest) && '0' <= f.rest[digits] && f.rest[digits] <= '9' {
		digits++
	}
	text := f.rest[:digits]
	n, err := strconv.ParseUint(text, 10, 64)
	f.odd = f.odd || err != nil || digits > 1 && text[0] == '0' // as JSON writes none
	f.rest = f.rest[digits:]
	return n
}

func (f *flat) boolean() bool {
	switch {
	case len(f.rest) >= 4 && f.rest[:4] == "true":
		f.rest = f.rest[4:]
		return true
	case len(f.rest) >= 5 && f.rest[:5] == "false":
		f.rest = f.rest[5:]
		return false
	}
	f.odd = true
	return false
}
