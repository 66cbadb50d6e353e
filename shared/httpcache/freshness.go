package httpcache

import "time"

// A heuristic lifetime is one part in heuristicPart of the time since Last-Modified, as RFC 9111, 4.2.2 suggests, and at
// most heuristicMax: what nobody has vouched for is looked at once a day.
const (
	heuristicPart = 10
	heuristicMax  = 24 * time.Hour
)

// Lifetime is the freshness lifetime (RFC 9111, 4.2.1): what the operator says, else s-maxage, else max-age, else Expires, else a
// heuristic; a targeted field has replaced all of these when it was read. It is never negative and at
// most 2^31 s. no-cache does not change it.
func (m *Meta) Lifetime(p *Policy) time.Duration {
	if ttl := p.Override.lifetime(m.Status); ttl != nil {
		return min(max(*ttl, 0), maxDelta*time.Second)
	}
	switch {
	case m.SMaxAge >= 0:
		return seconds(m.SMaxAge)
	case m.MaxAge >= 0:
		return seconds(m.MaxAge)
	case m.Flags.Has(FlagExpires):
		return m.expiresLifetime()
	}
	return m.heuristicLifetime(p)
}

// seconds turns seconds into a duration between 0 and maxDelta.
func seconds(s int64) time.Duration {
	return time.Duration(min(max(s, 0), maxDelta)) * time.Second
}

// date is when the response was made, as far as is known (RFC 9110, 6.6.1).
func (m *Meta) date() int64 {
	if m.Date != 0 {
		return m.Date
	}
	return floorSeconds(m.ResponseTime)
}

// floorSeconds is Unix ms as Unix s.
func floorSeconds(ms int64) int64 {
	sec := ms / 1000
	if ms%1000 < 0 {
		sec--
	}
	return sec
}

// expiresLifetime is Expires minus Date: whose clock is wrong does not matter when both are of the same.
func (m *Meta) expiresLifetime() time.Duration {
	if m.Expires == 0 {
		return 0
	}
	return seconds(m.Expires - m.date())
}

// heuristicLifetime is a part of the time that the content had been unchanged for (RFC 9111, 4.2.2).
func (m *Meta) heuristicLifetime(p *Policy) time.Duration {
	if p.NoHeuristics || m.LastModified == 0 || !m.heuristicAllowed() {
		return 0
	}
	unchanged := min(max(m.date()-m.LastModified, 0), maxDelta)
	return min(time.Duration(unchanged)*time.Second/heuristicPart, heuristicMax)
}

func (m *Meta) heuristicAllowed() bool {
	return HeuristicallyCacheable(m.Status) || m.Flags.Has(FlagPublic)
}

// CurrentAge is the time since the response was made or last validated, as RFC 9111, 4.2.3 estimates it.
// It never is negative, even when the clock was set back, and at most 2^31 s plus the time it was stored.
func (m *Meta) CurrentAge(now time.Time) time.Duration {
	resident := max(now.UnixMilli()-m.ResponseTime, 0)
	return m.initialAge() + milliseconds(resident)
}

// initialAge is the corrected_initial_age: the age on arrival. The apparent age counts in whole seconds,
// since Date has no smaller unit: otherwise what was made in this second would seem up to a second old.
func (m *Meta) initialAge() time.Duration {
	apparent := seconds(floorSeconds(m.ResponseTime) - m.date())
	delay := milliseconds(max(m.ResponseTime-m.RequestTime, 0))
	return max(apparent, seconds(m.Age)+delay)
}

// milliseconds turns ms, which is not negative, into a duration of at most maxDelta seconds.
func milliseconds(ms int64) time.Duration {
	return time.Duration(min(ms, maxDelta*1000)) * time.Millisecond
}
