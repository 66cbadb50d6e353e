package controllog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// Replica is the state that a node builds from the log: what was purged, which services are active, which tokens
// are valid. One goroutine calls Apply and Restore; everything else may be called by any.
type Replica struct {
	index           *invalidation.Index
	servicesVersion atomic.Uint64
	tokensVersion   atomic.Uint64

	// mu is held by the writer through each Apply and Restore, so that an image is of one epoch.
	mu struct {
		sync.Mutex
		chain    uint64 // of the log through what was applied; 0: not known
		services map[string]ServiceChange
		tokens   map[string]TokenChange
	}
}

// NewReplica returns a replica that has applied nothing. capacity is that of its index, in scopes; 0 means
// invalidation.DefaultCapacity.
func NewReplica(capacity int) *Replica {
	r := &Replica{index: invalidation.NewIndex(capacity)}
	r.mu.services = make(map[string]ServiceChange)
	r.mu.tokens = make(map[string]TokenChange)
	return r
}

// Index is what was purged. It is the same one for the replica's whole life; only the replica writes to it.
func (r *Replica) Index() *invalidation.Index { return r.index }

// Applied is the epoch of the last entry that was applied.
func (r *Replica) Applied() uint64 { return r.index.Applied() }

// At is Applied with the hash of the log through that entry, 0 where that is not known.
func (r *Replica) At() (applied, chain uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Applied(), r.mu.chain
}

// Apply applies entries that follow what was applied and returns how many that were. Entries at or below it are
// skipped, so repeated ones do no harm. At the first that does not follow it stops: ErrGap when entries before it
// are missing or it is a hint, ErrReset when what was applied is not on its chain, ErrBranch when it follows something
// else with the same epoch.
//
// INVARIANT: an entry is applied only when its Prev is exactly what was applied. Epochs alone do not say whether
// one is missing.
//
// INVARIANT: nor do they say that it is the same log: the hashes must agree, wherever what was applied has one.
func (r *Replica) Apply(entries ...Entry) (applied int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range entries {
		e, at := &entries[i], r.Applied()
		switch {
		case e.Epoch <= at:
			continue
		case e.Prev > at:
			return applied, fmt.Errorf("%w: between %d and %d", ErrGap, at, e.Epoch)
		case e.Prev < at:
			return applied, fmt.Errorf("%w: %d, but %d follows %d", ErrReset, at, e.Epoch, e.Prev)
		case r.mu.chain != 0 && r.mu.chain != e.PrevChain:
			return applied, fmt.Errorf("%w: epoch %d is %016x here, and %d follows %016x", ErrBranch, at, r.mu.chain, e.Epoch, e.PrevChain)
		case e.Hint:
			return applied, fmt.Errorf("%w: %d came as a hint", ErrGap, e.Epoch)
		}
		r.apply(e)
		r.mu.chain = e.Chain
		// INVARIANT: what an entry says is in place before its epoch is published.
		r.index.Advance(e.Epoch)
		applied++
	}
	return applied, nil
}

// apply puts what an entry says in place.
func (r *Replica) apply(e *Entry) {
	switch e.Kind {
	case KindService:
		r.applyService(e.Service)
	case KindToken:
		r.applyToken(e.Token)
	case KindTerm:
		r.applyTerm(e)
	default:
		r.index.Purge(e.Epoch, e.Mode, e.Scopes)
	}
}

func (r *Replica) applyService(c *ServiceChange) {
	switch {
	case c == nil || c.Name == "":
		return // could not be read
	case c.Document == nil:
		delete(r.mu.services, c.Name)
	default:
		r.mu.services[c.Name] = *c
	}
	r.servicesVersion.Add(1)
}

func (r *Replica) applyToken(c *TokenChange) {
	switch {
	case c == nil || c.ID == "":
		return
	case c.Revoked:
		delete(r.mu.tokens, c.ID)
	default:
		r.mu.tokens[c.ID] = *c
	}
	r.tokensVersion.Add(1)
}

// applyTerm makes stamps of the branch that was lost dead, and purges everything when the term says so.
//
// INVARIANT: the hole is entered even when the term purges nothing: a stamp in it was given by a server that
// never knew the entries of this branch.
func (r *Replica) applyTerm(e *Entry) {
	r.index.Hole(e.Prev, e.Epoch)
	mode := invalidation.Hard // also for what this release does not know
	if e.Term != nil {
		switch e.Term.Purge {
		case "":
			return
		case invalidation.Soft.String():
			mode = invalidation.Soft
		}
	}
	r.index.Purge(e.Epoch, mode, []object.Scope{invalidation.AllScope()})
}

// Services are the active services, by name. The documents are shared: they must not be written to.
func (r *Replica) Services() []ServiceChange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return byName(r.mu.services)
}

// Tokens are the valid tokens, by id.
func (r *Replica) Tokens() []TokenChange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return byID(r.mu.tokens)
}

// ServicesVersion changes whenever Services does.
func (r *Replica) ServicesVersion() uint64 { return r.servicesVersion.Load() }

// TokensVersion changes whenever Tokens does.
func (r *Replica) TokensVersion() uint64 { return r.tokensVersion.Load() }

func byName(m map[string]ServiceChange) []ServiceChange {
	return slices.SortedFunc(maps.Values(m), func(a, b ServiceChange) int { return cmp.Compare(a.Name, b.Name) })
}

func byID(m map[string]TokenChange) []TokenChange {
	return slices.SortedFunc(maps.Values(m), func(a, b TokenChange) int { return cmp.Compare(a.ID, b.ID) })
}
