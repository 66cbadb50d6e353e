// Package policy holds service documents: which hosts a service answers for, where its responses come
// from and which rules decide how they are cached. It is pure: documents come in as values, decisions
// go out; reading files and distributing versions is done by others.
// Start reading at Service, then Set.Match, which a node calls once a request.
package policy
