package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestService_ValidateRules(t *testing.T) {
	minute := lasting(time.Minute)
	numbers := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("n", i))
		}
		return list
	}
	conditions := func(n int) map[string]string {
		m := map[string]string{}
		for _, name := range numbers(n) {
			m[name] = "*"
		}
		return m
	}
	for want, rules := range map[string][]Rule{
		"rules[0].name: \"1a\"":                                     {{Name: "1a", TTL: minute}},
		"rules[0].name: \"a b\"":                                    {{Name: "a b", TTL: minute}},
		`rules[2].name: "a" is the name of rules[0] too`:            {{Name: "a", TTL: minute}, {TTL: minute}, {Name: "a", TTL: minute}},
		"rules[0]: the rule sets nothing":                           {{Name: "a", Match: Condition{Path: "/"}}},
		`rules[0].store: "always": use force or default`:            {{Store: "always", TTL: minute}},
		`rules[0].request_directives: "obey": use honour or ignore`: {{RequestDirectives: "obey"}},

		"rules[0].store: force needs to know for how long: add ttl": {{Store: StoreForce}},
		"rules[1].store: force needs":                               {{Match: Condition{Path: "/a"}, TTL: minute}, {Match: Condition{Path: "/b"}, Store: StoreForce}},
		"rules[0].store: force keeps responses for the ttl":         {{Store: StoreForce, TTL: lasting(0)}},
		"rules[0].bypass: nothing is kept of what bypasses, so ttl": {{Bypass: yes(), TTL: minute}},
		"rules[0].bypass: nothing is kept of what bypasses, so key": {{Bypass: yes(), Key: Key{Cookies: []string{}}}},
		"rules[0].ttl: a rule with match.query or match.header":     {{Match: Condition{Query: map[string]string{"a": "*"}}, TTL: minute}},
		"rules[0].tags: a rule with match.query or match.header":    {{Match: Condition{Header: map[string]string{"A": "*"}}, Bypass: yes(), Tags: []string{"a"}}},

		`rules[1].key.query: "none" and a list`:                 {{TTL: minute}, {Key: Key{Query: &Query{Mode: "none", Only: []string{"a"}}}}},
		`rules[0].key.query: "some": use all, none, sort`:       {{Key: Key{Query: &Query{Mode: "some"}}}},
		"rules[0].key.query: use all, none, sort, {only":        {{Key: Key{Query: &Query{}}}},
		"rules[0].key.query: only and except exclude":           {{Key: Key{Query: &Query{Only: []string{"a"}, Except: []string{"b"}}}}},
		"rules[0].key.query.only: is empty: for no parameter":   {{Key: Key{Query: &Query{Only: []string{}}}}},
		"rules[0].key.query.except: is empty: for all":          {{Key: Key{Query: &Query{Except: []string{}}}}},
		`rules[0].key.query.only[1]: "a&b"`:                     {{Key: Key{Query: &Query{Only: []string{"a", "a&b"}}}}},
		`rules[0].key.query.only[0]: ""`:                        {{Key: Key{Query: &Query{Only: []string{""}}}}},
		`rules[0].key.query.except[0]: "ä"`:                     {{Key: Key{Query: &Query{Except: []string{"ä"}}}}},
		`rules[0].key.query.except[1]: "a" is listed twice`:     {{Key: Key{Query: &Query{Except: []string{"a", "a"}}}}},
		"rules[0].key.query.only: 33 names: at most 32":         {{Key: Key{Query: &Query{Only: numbers(33)}}}},
		`rules[0].key.headers[0]: "cookie": list the cookies`:   {{Key: Key{Headers: []string{"Cookie"}}}},
		`rules[0].key.headers[0]: "authorization": credentials`: {{Key: Key{Headers: []string{"Authorization"}}}},
		`rules[0].key.headers[0]: "x-forwarded-host"`:           {{Key: Key{Headers: []string{"X-Forwarded-Host"}}}},
		`rules[0].key.headers[0]: "x_a": fields with`:           {{Key: Key{Headers: []string{"X_A"}}}},
		`rules[0].key.headers[0]: "if-none-match"`:              {{Key: Key{Headers: []string{"If-None-Match"}}}},
		`rules[0].key.headers[0]: "a b": is not the name`:       {{Key: Key{Headers: []string{"a b"}}}},
		`rules[0].key.headers[1]: "x-a" is listed twice`:        {{Key: Key{Headers: []string{"X-A", "x-a"}}}},
		"rules[0].key.headers: 9 names: at most 8":              {{Key: Key{Headers: numbers(9)}}},
		`rules[0].key.cookies[0]: "a=b": is not the name`:       {{Key: Key{Cookies: []string{"a=b"}}}},
		"rules[0].key.cookies: 9 names":                         {{Key: Key{Cookies: numbers(9)}}},
		`rules[0].tags[1]: not a tag: it is empty`:              {{Tags: []string{"a", ""}}},
		`rules[0].tags[0]: not a tag`:                           {{Tags: []string{strings.Repeat("x", 1025)}}},
		`rules[0].tags[1]: "a%20b" is listed twice`:             {{Tags: []string{"a b", "a%20b"}}},
		"rules[0].tags: 33 names: at most 32":                   {{Tags: numbers(33)}},
		"rules[0].match.query.a*: \"a*\": a star":               {{Match: Condition{Query: map[string]string{"a*": "x"}}, Bypass: yes()}},
		"rules[0].match.header.Host: \"Host\": the field is":    {{Match: Condition{Header: map[string]string{"Host": "x"}}, Bypass: yes()}},
		"rules[0].match.header.A: a pattern has at most":        {{Match: Condition{Header: map[string]string{"A": "*********"}}, Bypass: yes()}},
		"rules[0].match.header: 9 names: at most 8":             {{Match: Condition{Header: conditions(9)}, Bypass: yes()}},
	} {
		s := service("a", "*")
		s.Rules = rules
		if err := s.Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestService_ValidateTakes(t *testing.T) {
	minute := lasting(time.Minute)
	for name, rules := range map[string][]Rule{
		"force by a ttl for all":       {{TTL: minute}, {Match: Condition{Path: "/a"}, Store: StoreForce}},
		"force by a later ttl for all": {{Match: Condition{Path: "/a"}, Store: StoreForce}, {Match: Condition{Path: "*"}, TTL: minute}},
		"force by the same match":      {{Match: Condition{Path: "/a"}, TTL: minute}, {Match: Condition{Path: "/a"}, Store: StoreForce}},
		"force taken back":             {{TTL: minute, Store: StoreForce}, {Match: Condition{Path: "/a"}, Store: StoreDefault}},
		"bypass taken back":            {{Bypass: yes()}, {Match: Condition{Path: "/a"}, Bypass: new(false), TTL: minute}},
		"credentials and cookies":      {{Match: Condition{Header: map[string]string{"Authorization": "*", "Cookie": "*"}}, Bypass: yes()}},
		"everything": {{
			Name: "Every.Thing-1_x", Match: Condition{Path: "/a/*"}, TTL: minute, NegativeTTL: minute, StaleWhileRevalidate: minute, StaleIfError: minute,
			SMaxAgeStale: yes(), Heuristics: new(false), Store: StoreForce, Tags: []string{"summer sale", "käse"}, RequestDirectives: DirectivesHonour,
			Key: Key{Query: &Query{Except: []string{"utm_*"}}, Headers: []string{"X-Device", "Accept-Language"}, Cookies: []string{"currency"}},
		}},
	} {
		s := service("a", "*")
		s.Rules = rules
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every field of a rule counts as one that says something.
func TestRule_SetsKnowsAllFields(t *testing.T) {
	minute := lasting(time.Minute)
	all := Rule{
		Bypass: yes(), TTL: minute, NegativeTTL: minute, StaleWhileRevalidate: minute, StaleIfError: minute, SMaxAgeStale: yes(), Heuristics: yes(),
		Store: StoreForce, Key: Key{Headers: []string{}}, Tags: []string{}, RequestDirectives: DirectivesIgnore,
	}
	want := []string{"bypass", "ttl", "negative_ttl", "stale_while_revalidate", "stale_if_error", "s_maxage_stale", "heuristics", "store", "key", "tags", "request_directives"}
	if got := all.sets(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// What no tier passes on can not be in a key: each tier would see another value.
func TestValidField_RefusesWhatIsOfOneConnection(t *testing.T) {
	for _, name := range []string{
		"Connection", "keep-alive", "Proxy-Connection", "TE", "trailer", "Transfer-Encoding", "UPGRADE", "HTTP2-Settings",
		"Proxy-Authenticate", "Proxy-Authentication-Info", "proxy-authorization", "Range", "expect",
	} {
		if validField(name) == "" {
			t.Errorf("rules may ask for %s", name)
		}
	}
	for _, name := range []string{"Accept", "X-Device", "Ranges", "TE-X"} {
		if why := validField(name); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
}
