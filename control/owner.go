package control

import (
	"sync"

	"tiercache/shared/policy"
)

// ownerOf tells which service answers for a host (lower-case, without port), as nodes decide it: by the services
// that the log has. It is "" when none does, and for every host while the log is not loaded, or when its services
// contradict each other: then nobody whose token is limited to some services has a host.
func (c *Control) ownerOf() func(host string) string {
	owners := sync.OnceValue(func() *policy.Set {
		var documents []policy.Service
		for _, s := range c.sequencer.Services() {
			if s.Document != nil {
				documents = append(documents, *s.Document)
			}
		}
		set, err := policy.NewSet(documents)
		if err != nil {
			return new(policy.Set)
		}
		return set
	})
	return func(host string) string {
		if m := owners().Match(host); m != nil {
			return m.Name
		}
		return ""
	}
}
