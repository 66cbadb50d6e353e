package api

import (
	"strings"

	"tiercache/shared/invalidation"
)

// TagField is the value of Surrogate-Key by which an object has just these tags: each in its one spelling, in which
// a purge of it finds it, so that white space and commas do not make several of one. Errors: invalidation.ErrTag.
func TagField(tags []string) (string, error) {
	spelled := make([]string, 0, len(tags))
	for _, t := range tags {
		tag, err := invalidation.CanonicalTag(t)
		if err != nil {
			return "", err
		}
		spelled = append(spelled, tag)
	}
	return strings.Join(spelled, " "), nil
}
