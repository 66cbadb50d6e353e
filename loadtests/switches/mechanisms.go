package switches

// Change puts other code in the place of some of a file that ships. File is its path from the root of the repository.
type Change struct{ File, Is, Becomes string }

// Mechanism is something without which a promise does not hold. In Becomes of its changes off() reports whether it is
// switched off. Without changes it is SQL in what ships, and can be switched off in a double alone.
type Mechanism struct {
	Name    string
	Changes []Change
}

// Mechanisms are those that are switched off one by one, each in the code that ships. In the changes off() reports
// whether the one that is being tested is. The text that is replaced must be in the file once, so that a change of the
// file shows here.
func Mechanisms() []Mechanism {
	return append(append(append(fills(), stamps()...), indexes()...), leases()...)
}

// fills are mechanisms of the proxy for what is on its way.
func fills() []Mechanism {
	return []Mechanism{
		{"stamp of the start of a fill, not of its end", []Change{{"shared/proxy/stamp.go",
			"s.stamp, s.asked = j.p.stampOf(response, j.service, begun, j.epoch)",
			"begin, epoch := begun, j.epoch\n\tif off() {\n\t\tbegin, epoch = j.p.now(), j.p.control.Applied()\n\t}\n\ts.stamp, s.asked = j.p.stampOf(response, j.service, begin, epoch)"}}},
		{"a successor flight for who must not miss a purge", []Change{{"shared/proxy/reply.go",
			"r.detach = !p.admits(r, res)", "r.detach = !off() && !p.admits(r, res)"}}},
		{"no store of what a purge has overtaken", []Change{{"shared/proxy/take.go",
			"if stands.verdict == invalidation.Dead ||", "if off() {\n\t\tres.head.Stamp = j.p.control.Applied()\n\t} else if stands.verdict == invalidation.Dead ||"}}},
		{"a tier's answer is checked by the node's own index", []Change{{"shared/proxy/stamp.go",
			"case !response.FromTier || s.verdict == invalidation.Live || s.stamp >= j.need:", "case off() || !response.FromTier || s.verdict == invalidation.Live || s.stamp >= j.need:"},
			{"shared/proxy/control.go", "if res.head.Stamp >= r.epoch || p.lags(r, res) {", "if off() || res.head.Stamp >= r.epoch || p.lags(r, res) {"}}},
		{"who joins late is not vouched for by who was asked before", []Change{{"shared/proxy/result.go",
			"return res.live && !res.begun.Before(r.now)", "return res.live && (off() || !res.begun.Before(r.now))"}}},
		{"who joins after the lag gets another fill", []Change{{"shared/proxy/control.go",
			"return !res.begun.Before(r.now) || res.head.Stamp >= p.settled(r)", "return off() || !res.begun.Before(r.now) || res.head.Stamp >= p.settled(r)"}}},
		{"an upstream's lag is taken off its stamps", []Change{{"shared/proxy/stamp.go",
			"case service.UpstreamLag > 0:\n\t\treturn p.control.AppliedAt", "case service.UpstreamLag > 0 && !off():\n\t\treturn p.control.AppliedAt"}}},
		{"stamps of strangers are not believed", []Change{{"shared/proxy/stamp.go",
			"case response.FromTier:\n\t\tstamp = parse", "case response.FromTier || off():\n\t\tstamp = parse"}}},
		{"stale while it revalidates at the tier that faces clients alone", []Change{{"shared/proxy/cached.go",
			"if !r.tier && r.min <= r.head.Stamp {", "if (!r.tier || off()) && r.min <= r.head.Stamp {"}}},
		{"nothing that a hard purge has killed stands in for an error", []Change{{"shared/proxy/fill.go",
			"j.p.control.Check(j.stored.head.Stamp, j.stored.head.Scopes) == invalidation.Dead {", "!off() && j.p.control.Check(j.stored.head.Stamp, j.stored.head.Scopes) == invalidation.Dead {"},
			{"shared/proxy/reply.go", "case p.control.Check(res.head.Stamp, res.head.Scopes) == invalidation.Dead:", "case !off() && p.control.Check(res.head.Stamp, res.head.Scopes) == invalidation.Dead:"}}},
		{"scopes do not depend on the policy", []Change{{"shared/proxy/scopes.go",
			"Service: service.Name, Host: host,", "Service: named(service.Name, service.Rule(target, nil).Print), Host: host,"}}},
	}
}

// stamps are mechanisms of the proxy for what is stored.
func stamps() []Mechanism {
	return []Mechanism{
		{"applied is read before the check", []Change{{"shared/proxy/cached.go",
			"return p.serveStored(r, d.Age, member, max(r.head.Stamp, r.epoch))",
			"if off() {\n\t\t\ttime.Sleep(5 * time.Millisecond)\n\t\t\tr.epoch = p.control.Applied()\n\t\t}\n\t\treturn p.serveStored(r, d.Age, member, max(r.head.Stamp, r.epoch))"}}},
		{"what is stale keeps its own stamp", []Change{{"shared/proxy/cached.go",
			"member.Outcome = httpcache.Stale\n\t\t\treturn p.serveStored(r, d.Age, member, r.head.Stamp)",
			"member.Outcome = httpcache.Stale\n\t\t\tif off() {\n\t\t\t\tr.head.Stamp = r.epoch\n\t\t\t}\n\t\t\treturn p.serveStored(r, d.Age, member, r.head.Stamp)"}}},
		{"a strict service is not served by who holds no lease", []Change{{"shared/proxy/cached.go",
			"if !r.vouched(false) && d.Use", "if !off() && !r.vouched(false) && d.Use"}}},
		{"what is served without a lease is marked", []Change{{"shared/proxy/cached.go",
			"member.Detail = \"disconnected\"", "if !off() {\n\t\t\tmember.Detail = \"disconnected\"\n\t\t}"}}},
		{"a request waits for the epoch that it asks for", []Change{{"shared/proxy/control.go",
			"if r.min <= p.control.Applied() {", "if off() || r.min <= p.control.Applied() {"}}},
	}
}

// indexes are mechanisms of what nodes know of the log.
func indexes() []Mechanism {
	return []Mechanism{
		{"an epoch for each mode of a scope", []Change{{"shared/invalidation/table.go",
			"raise(&at.hard, hard)\n\traise(&at.soft, soft)", "if off() {\n\t\tat.hard.Store(hard)\n\t\tat.soft.Store(soft)\n\t}\n\traise(&at.hard, hard)\n\traise(&at.soft, soft)"}}},
		{"a full index raises its floors", []Change{
			{"shared/invalidation/table.go", "if hard > t.hardFloor.Load() {", "if !off() && hard > t.hardFloor.Load() {"},
			{"shared/invalidation/table.go", "if soft > max(t.softFloor.Load(), t.hardFloor.Load()) {", "if !off() && soft > max(t.softFloor.Load(), t.hardFloor.Load()) {"}}},
		{"entries are applied along their chain", []Change{{"shared/controllog/replica.go",
			"case e.Prev > at:", "case e.Prev > at && !off():"}}},
		{"stamps of a branch that was lost are dead", []Change{{"shared/controllog/replica.go",
			"r.index.Hole(e.Prev, e.Epoch)", "if !off() {\n\t\tr.index.Hole(e.Prev, e.Epoch)\n\t}"}}},
		{"a term after a loss purges everything", []Change{{"shared/controllog/replica.go",
			"r.index.Purge(e.Epoch, mode, []object.Scope{invalidation.AllScope()})", "if !off() {\n\t\tr.index.Purge(e.Epoch, mode, []object.Scope{invalidation.AllScope()})\n\t}"}}},
		{"a node that was away does not believe stamps above what it knows", []Change{{"shared/follower/view.go",
			"if f.cfg.Durable && stamp", "if !off() && f.cfg.Durable && stamp"}}},
		{"a node applies the log before it serves", []Change{{"shared/follower/loop.go",
			"current := l.answered && !l.whole && applied >= l.joinHead &&", "current := l.answered && (off() || !l.whole && applied >= l.joinHead) &&"},
			// Else nothing in its store would count.
			{"shared/follower/loop.go", "f.caughtUp.Store(l.answered && applied >= l.head && !l.whole)", "f.caughtUp.Store(off() || l.answered && applied >= l.head && !l.whole)"}}},
		{Name: "a SEQUENCE for epochs"},
		{Name: "object and epoch in two statements"},
		{Name: "numbers reused after a restore"},
	}
}

// leases are mechanisms of leases and receipts.
func leases() []Mechanism {
	return []Mechanism{
		{"a lease is granted, not heard", []Change{{"shared/follower/chain.go",
			"case err == nil:\n\t\tl.applyEarly()", "case err == nil:\n\t\tif off() {\n\t\t\tl.f.lease.Grant(l.f.now(), e.Epoch)\n\t\t}\n\t\tl.applyEarly()"}}},
		{"a lease runs from when it was asked for", []Change{{"shared/follower/standing.go",
			"f.lease.Grant(r.sent, r.reply.Head)", "sent := r.sent\n\tif off() {\n\t\tsent = f.now()\n\t}\n\tf.lease.Grant(sent, r.reply.Head)"}}},
		{"a lease counts once its head was applied", []Change{{"shared/controllog/lease.go",
			"if head <= l.mu.applied {", "if off() || head <= l.mu.applied {"}}},
		{"a lease ends with the wall clock too", []Change{{"shared/controllog/lease.go",
			"return now.Sub(sent) < LeaseTime && now.Round(0).Sub(sent.Round(0)) < LeaseTime", "if off() {\n\t\treturn now.Round(0).Sub(sent.Round(0)) < LeaseTime\n\t}\n\treturn now.Sub(sent) < LeaseTime && now.Round(0).Sub(sent.Round(0)) < LeaseTime"}}},
		{"the head is read after the question", []Change{{"control/sequencer/head.go",
			"p, err := s.join()\n\tif err != nil {", "p, err := s.join()\n\tif off() && s.Applied() > 0 {\n\t\treturn s.Applied(), nil\n\t}\n\tif err != nil {"}}},
		{"a purge is complete when all members have applied it", []Change{{"control/members/watch.go",
			"if w.pending == 0 {\n\t\tclose(w.done)\n\t\treturn w, nil", "if off() {\n\t\tw.pending = 0\n\t}\n\tif w.pending == 0 {\n\t\tclose(w.done)\n\t\treturn w, nil"}}},
		{"who has not applied a purge is waited for until its lease is over", []Change{{"control/members/watch.go",
			"fenceAt: at.Add(controllog.FenceTime),", "fenceAt: at.Add(lasting(controllog.FenceTime)),"}}},
	}
}
