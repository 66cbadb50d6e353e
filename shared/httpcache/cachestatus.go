package httpcache

import (
	"strconv"
	"time"
)

// Member is what one cache says in Cache-Status about one request (RFC 9211).
type Member struct {
	Cache     string  // who speaks
	Outcome   Outcome // with FwdNone: a hit, or the fwd that the outcome implies
	Fwd       FwdReason
	FwdStatus int           // status of the next tier's response; 0 none
	TTL       time.Duration // remaining lifetime, sent in whole seconds rounded down; negative when stale
	HasTTL    bool
	Stored    bool   // the response was stored
	Collapsed bool   // the request joined another's
	Detail    string // anything more, a Reason for example
	Rules     Rules  // that decided; said where there is no Detail
}

// Rules are the rules of an operator that decided about a response, by the names that Cache-Status gives them; "" is none.
type Rules [5]string

// AppendCacheStatus appends m as one list member. Tiers append their members in order, so the caller puts
// ", " between those received and this one. A request that was forwarded says fwd even when a stored
// response answers it in the end (a 304, an error upstream); hit and fwd never stand together.
func AppendCacheStatus(dst []byte, m Member) []byte {
	dst = appendName(dst, m.Cache)
	fwd := m.fwd()
	if fwd != FwdNone {
		dst = append(dst, "; fwd="...)
		dst = append(dst, fwd.String()...)
	} else if m.Outcome == Hit || m.Outcome == Stale {
		dst = append(dst, "; hit"...)
	}
	if fwd != FwdNone && m.FwdStatus != 0 {
		dst = append(dst, "; fwd-status="...)
		dst = strconv.AppendInt(dst, int64(m.FwdStatus), 10)
	}
	if m.HasTTL {
		dst = append(dst, "; ttl="...)
		dst = strconv.AppendInt(dst, floorSeconds(m.TTL.Milliseconds()), 10)
	}
	// stored and collapsed mean nothing without fwd (RFC 9211, 2.5 and 2.6).
	if fwd != FwdNone && m.Stored {
		dst = append(dst, "; stored"...)
	}
	if fwd != FwdNone && (m.Collapsed || m.Outcome == Collapsed) {
		dst = append(dst, "; collapsed"...)
	}
	if m.Detail == "" {
		return appendRules(dst, &m.Rules)
	}
	return appendDetail(dst, m.Detail)
}

// fwd is why the request was forwarded, implied by the outcome when it is not given.
func (m *Member) fwd() FwdReason {
	if m.Fwd != FwdNone {
		return m.Fwd
	}
	switch m.Outcome {
	case Revalidated:
		return FwdStale
	case Miss, Collapsed:
		return FwdMiss
	case Pass:
		return FwdBypass
	}
	return FwdNone
}

// appendRules writes the rules as the detail: one by itself, several as a String with spaces between them.
func appendRules(dst []byte, rules *Rules) []byte {
	var named [len(rules)]string
	n := 0
	for _, rule := range rules {
		if rule != "" {
			named[n] = rule
			n++
		}
	}
	if n < 2 {
		return appendDetail(dst, named[0])
	}
	dst = appendText(append(dst, `; detail="`...), named[0])
	for _, rule := range named[1:n] {
		dst = appendText(append(dst, ' '), rule)
	}
	return append(dst, '"')
}

// appendDetail writes detail as a Token when it is one, else as a String (RFC 9211, 2.8).
func appendDetail(dst []byte, detail string) []byte {
	if detail == "" {
		return dst
	}
	dst = append(dst, "; detail="...)
	return appendName(dst, detail)
}
