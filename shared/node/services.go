package node

import (
	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/policy"
)

// Services hands the service documents that are in force to use: those of the control log as soon as it has
// any, and whenever they change. Until it had any the node's own stay. A set that contradicts itself, such as two
// services that claim one host, is logged, and what is in force stays. Call it before the follower runs.
func (n *Node) Services(f *follower.Follower, use func(*policy.Set)) { f.OnServices(n.inForce(use)) }

// inForce is what takes the log's services each time.
func (n *Node) inForce(use func(*policy.Set)) func([]controllog.ServiceChange) {
	had := false
	return func(changes []controllog.ServiceChange) {
		var documents []policy.Service
		for _, c := range changes {
			if c.Document != nil {
				documents = append(documents, *c.Document)
			}
		}
		// INVARIANT: a log that had services and has none any more has had the last one removed, which takes
		// effect like each removal before.
		had = had || len(documents) > 0
		if !had {
			return
		}
		set, err := policy.NewSet(documents)
		if err != nil {
			n.Log.Error("the services of the control log contradict each other; those before stay in force", "error", err)
			return
		}
		use(set)
		n.Log.Info("services are in force", "services", versions(changes))
	}
}

// versions lists services with their versions.
func versions(changes []controllog.ServiceChange) map[string]int {
	list := make(map[string]int, len(changes))
	for _, c := range changes {
		list[c.Name] = c.Version
	}
	return list
}
