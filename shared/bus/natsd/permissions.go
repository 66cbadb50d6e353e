package natsd

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tiercache/shared/bus"
)

// Roles lists the roles that have a key, one for each tier.
func Roles() []string { return []string{"control", "origin", "regional", "edge"} }

// Permissions says which subjects a role may publish to and subscribe to. Control may use all of
// ours and answer any role; the others announce themselves and ask control under their own tier, follow the
// control log and read replies to their own role. The origin publishes the entries of its own writes. Edges and regional
// nodes hear what control asks those of their tier, and may answer that: see users.
func Permissions(role string) (publish, subscribe []string) {
	if role == "control" {
		publish = []string{bus.Root + ">"}
		for _, r := range Roles() {
			publish = append(publish, bus.Inbox(r))
		}
		return publish, []string{bus.Root + ">", bus.Inbox(role)}
	}
	publish = []string{bus.HelloRoot + role + ".*", bus.RenewRoot + role + ".*", bus.FetchRoot + role}
	if role == "origin" {
		publish = append(publish, bus.LogRoot+role)
	}
	subscribe = []string{bus.LogRoot + ">", bus.Inbox(role)}
	if asked(role) {
		subscribe = append(subscribe, bus.AskRoot+role+".*")
	}
	return publish, subscribe
}

// asked reports whether control asks nodes of a role.
func asked(role string) bool { return role == "edge" || role == "regional" }

// answerTime is how long a node may take to answer what it was asked.
const answerTime = 2 * time.Minute

// answers lets a role answer each message that it gets with a reply subject, once; to publish there otherwise stays
// forbidden.
func answers(role string) *server.ResponsePermission {
	if !asked(role) {
		return nil
	}
	return &server.ResponsePermission{MaxMsgs: 1, Expires: answerTime}
}

// users are the server's clients: one nkey a role, nobody else.
func users(keys map[string]string) []*server.NkeyUser {
	list := make([]*server.NkeyUser, 0, len(keys))
	for _, role := range Roles() {
		publish, subscribe := Permissions(role)
		list = append(list, &server.NkeyUser{
			Nkey: keys[role],
			Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: publish},
				Subscribe: &server.SubjectPermission{Allow: subscribe},
				Response:  answers(role),
			},
		})
	}
	return list
}
