package proxy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// A response with Vary is found by way of a list at its primary key: the selecting fields' names, a generation, and,
// as its body, the store keys of the variants, the oldest first.

const (
	// maxVariants bounds the variants of one URL: a field that clients choose freely must not fill the store. One
	// more evicts the oldest.
	maxVariants = 64
	// variantsTTL keeps a list of variants longer than what it leads to.
	variantsTTL  = 30 * 24 * time.Hour
	storeKeySize = 16
)

// listLocks make what a node's fills do to one list happen one after the other. Nodes that share a store take turns
// by chance alone: what they then lose of a list is a variant that counts for nothing, and lives out its time.
type listLocks [64]sync.Mutex

func (l *listLocks) of(digest [storeKeySize]byte) *sync.Mutex { return &l[int(digest[0])%len(l)] }

// variantKey is the key that the response is stored under. A response with Vary is put on the list first, so that a
// request for another variant finds the names there.
func (j *fill) variantKey(ctx context.Context, names *[]string) []byte {
	if len(*names) == 0 {
		return j.primary
	}
	digest := cachekey.Digest(j.primary)
	lock := j.p.lists.of(digest)
	lock.Lock()
	defer lock.Unlock()
	list, keys, changed := j.joined(ctx, string(digest[:]), *names)
	*names = list.Selecting
	key := cachekey.AppendVariant(nil, j.primary, *names, func(name string) (string, bool) {
		return j.negotiation.selectingValue(j.header, name)
	})
	key = append(key, generationOf(&list)...)
	variant := cachekey.Digest(key)
	if !onList(keys, string(variant[:])) {
		keys, changed = append(slices.Clip(keys), variant[:]...), true
	}
	evicted := keys[:max(0, len(keys)-maxVariants*storeKeySize)]
	keys = keys[len(evicted):]
	if changed {
		list.BodySize = int64(len(keys))
		if err := j.p.store.Store(ctx, string(digest[:]), object.AppendEntry(nil, &list, keys), variantsTTL); err != nil {
			j.p.stats.StoreErrors.Add(1)
		}
	}
	for old := range slices.Chunk(evicted, storeKeySize) {
		j.p.stats.VariantsEvicted.Add(1)
		j.p.discard(ctx, string(old)) // the entry alone: who reads a longer body still finds its segments
	}
	return key
}

// joined is the list with the union of the names and those that are listed already: variants stored earlier stay in
// reach as long as no new name is added.
func (j *fill) joined(ctx context.Context, key string, names []string) (list object.Head, keys []byte, changed bool) {
	list = object.Head{Kind: object.KindVariants, Key: string(j.primary), Selecting: names}
	listed, keys, err := j.p.listed(ctx, key, list.Key)
	switch {
	case err == nil && len(listed.Selecting) < httpcache.MaxVaryNames:
		union := append(slices.Clone(listed.Selecting), names...)
		slices.Sort(union)
		list.Selecting, list.BodyID = slices.Compact(union), listed.BodyID
		return list, keys, !slices.Equal(list.Selecting, listed.Selecting)
	case err != nil:
		keys = nil
	}
	// A list that has grown too long is made anew: names that responses do not mention any more only split what could
	// be shared. Its variants are out of reach, and are still evicted in their turn.
	if id, err := object.NewBodyID(j.p.random); err == nil {
		list.BodyID = id // without one, variants of an older list may come back into reach
	}
	return list, keys, true
}

// listed is the list of variants that is stored, and the store keys on it.
func (p *Proxy) listed(ctx context.Context, key, primary string) (list object.Head, keys []byte, err error) {
	raw, err := p.store.Lookup(ctx, key)
	if err != nil {
		return list, nil, err
	}
	if keys, err = object.DecodeEntry(raw, &list); err != nil {
		return list, nil, err
	}
	if list.Kind != object.KindVariants || list.Key != primary {
		return list, nil, object.ErrNotFound
	}
	return list, keys[:len(keys)/storeKeySize*storeKeySize], nil
}

// onList reports whether key is one of keys.
func onList(keys []byte, key string) bool {
	for k := range slices.Chunk(keys, storeKeySize) {
		if string(k) == key {
			return true
		}
	}
	return false
}

// settle removes a variant that was just stored if it has fallen off the list while its body came, or if the list is
// gone: nothing would ever evict it.
func (j *fill) settle(ctx context.Context, key string) {
	digest := cachekey.Digest(j.primary)
	_, keys, err := j.p.listed(ctx, string(digest[:]), string(j.primary))
	if errors.Is(err, object.ErrNotFound) || err == nil && !onList(keys, key) {
		j.p.discard(ctx, key)
	}
}
