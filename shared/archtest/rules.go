package archtest

// direction forbids the packages below a folder to import those below others.
type direction struct {
	from      string
	forbidden []string
	why       string
}

// directions is who may not import whom: shared <- edge, regional, origin, control <- cmd, loadtests.
func directions() []direction {
	const meet = "tiers meet on HTTP and on the bus, never in code"
	return []direction{
		{"shared", []string{"edge", "regional", "origin", "control", "cmd", "loadtests", "terraform"}, "shared is below the tiers: what it needs from one belongs into shared, or is passed in"},
		{"edge", []string{"regional", "origin", "control"}, meet},
		{"regional", []string{"edge", "origin", "control"}, meet},
		{"origin", []string{"edge", "regional", "control"}, meet},
		{"control", []string{"edge", "regional", "origin"}, meet},
		{"edge", []string{"cmd", "loadtests", "terraform"}, "tiers are wired by cmd and measured by loadtests, not the other way"},
		{"regional", []string{"cmd", "loadtests", "terraform"}, "tiers are wired by cmd and measured by loadtests, not the other way"},
		{"origin", []string{"cmd", "loadtests", "terraform"}, "tiers are wired by cmd and measured by loadtests, not the other way"},
		{"control", []string{"cmd", "loadtests", "terraform"}, "tiers are wired by cmd and measured by loadtests, not the other way"},
		{"control/client", []string{"control"}, "other programs import the client: it must not bring the control plane along"},
		{"terraform", []string{"shared", "edge", "regional", "origin", "control", "cmd", "loadtests"}, "the provider knows the control API only: import control/client"},
		{"cmd", []string{"loadtests"}, "the binary does not carry its own load tests"},
		{"loadtests", []string{"cmd", "docs"}, "commands are run, not imported"},
		{"docs", []string{"shared", "edge", "regional", "origin", "control", "cmd", "loadtests", "terraform"}, "an example is what a user writes: it knows tiercache by SQL and HTTP"},
	}
}

// allowedAnyway are imports that a direction forbids by its folder but that are its very exception.
func allowedAnyway(from, imported string) bool {
	switch from {
	case "terraform":
		return within(imported, "control/client")
	case "control/client":
		return within(imported, "control/client")
	}
	return false
}

// vendor gives a library, by the prefix of its import paths, to the packages that may use it.
type vendor struct {
	library string
	homes   []string
	tests   []string // folders whose tests may use it besides
}

// vendors is one library, one package: what a library's types and habits leak into is how far its
// replacement would reach.
func vendors() []vendor {
	return []vendor{
		{library: "github.com/nats-io/nats.go", homes: []string{"shared/bus"}},
		{library: "github.com/nats-io/nkeys", homes: []string{"shared/bus"}},
		{library: "github.com/nats-io/nats-server", homes: []string{"shared/bus/natsd"}},
		{library: "github.com/jackc/pgx", homes: []string{"origin/postgres", "control/postgres", "control/backup", "shared/schema", "shared/testkit", "docs/examples/shop", "loadtests/sequencing", "loadtests/faults", "loadtests/fleet"}, tests: []string{"shared/platform"}},
		{library: "github.com/jackc/puddle", homes: []string{"origin/postgres", "control/postgres"}}, // for the errors of pgx's pool
		{library: "github.com/pressly/goose", homes: []string{"shared/schema"}},
		{library: "github.com/redis/go-redis", homes: []string{"regional/l2/redis"}},
		{library: "github.com/valyala/fasthttp", homes: []string{"shared/proxy/listener", "shared/proxy/tier", "loadtests/peers"}},
		{library: "github.com/allegro/bigcache", homes: []string{"edge/l1", "loadtests/hitratio"}}, // there a plain one, beside L1
		{library: "github.com/maypok86/otter", homes: []string{"loadtests/hitratio"}},              // W-TinyLFU, to compare with
		{library: "github.com/klauspost/compress", homes: []string{"shared/encoding", "control/backup"}},
		{library: "github.com/andybalholm/brotli", homes: []string{"shared/encoding"}},
		{library: "go.opentelemetry.io/otel/sdk", homes: []string{"shared/telemetry"}},
		{library: "go.opentelemetry.io/otel/exporters", homes: []string{"shared/telemetry"}},
		{library: "github.com/prometheus", homes: []string{"shared/telemetry"}},
		{library: "github.com/knadh/koanf", homes: []string{"shared/config"}},
		{library: "github.com/goccy/go-yaml", homes: []string{"shared/config"}},
		{library: "github.com/spf13/pflag", homes: []string{"shared/config", "cmd"}},
		{library: "github.com/spf13/cobra", homes: []string{"cmd"}},
		{library: "github.com/danielgtaylor/huma", homes: []string{"control"}},
		{library: "github.com/Shopify/toxiproxy", homes: []string{"loadtests/faults"}},
		{library: "github.com/rs/zerolog", homes: []string{"loadtests/faults"}}, // which toxiproxy wants
		{library: "github.com/google/pprof", homes: []string{"loadtests/peers"}},
		{library: "github.com/anishathalye/porcupine", homes: []string{"loadtests/faults"}},
	}
}

// exposure lets the packages in some folders export a library's types.
type exposure struct {
	library string
	in      []string
}

// exposures are the exceptions from the rule that no package exports a library's types.
func exposures() []exposure {
	everywhere := []string{"shared", "edge", "regional", "origin", "control"}
	return []exposure{
		// Interfaces made to be handed around; what implements them stays in shared/telemetry.
		{"go.opentelemetry.io/otel/metric", everywhere},
		{"go.opentelemetry.io/otel/trace", everywhere},
		// Cobra's commands have these flags, and settings become flags in one place.
		{"github.com/spf13/pflag", []string{"shared/config"}},
		// Its callers are pgx's other homes: they hand over how they connect.
		{"github.com/jackc/pgx", []string{"shared/schema"}},
	}
}

// purePackages decide without a world around them: what they need to know is a parameter.
func purePackages() []string {
	return []string{"shared/httpcache", "shared/cachekey", "shared/object", "shared/invalidation", "shared/policy"}
}

// pureLibraries are hashes, the only libraries that a pure package may use.
func pureLibraries() []string {
	return []string{"github.com/cespare/xxhash/v2", "github.com/zeebo/xxh3"}
}

// impurePackages are those of the standard library that do I/O, log, or draw random numbers.
func impurePackages() []string {
	return []string{
		"os", "io/ioutil", "syscall", "net", "net/http", "net/rpc", "net/smtp", "log", "database/sql",
		"crypto/rand", "math/rand",
	}
}

// pureExceptions are packages below an impure one that only compute.
func pureExceptions() []string { return []string{"net/netip", "net/url", "net/mail"} }

// clockReads are the functions of package time that look at the clock or wait.
func clockReads() []string {
	return []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTicker", "NewTimer"}
}

// topFolders is the whole top level of the house.
func topFolders() []string {
	return []string{"cmd", "control", "docs", "edge", "loadtests", "origin", "regional", "shared", "terraform"}
}

// topFiles are the files beside them; names that start with a dot are free.
func topFiles() []string {
	return []string{"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "go.mod", "go.sum"}
}

// outputFolders hold what programs make; git ignores them.
func outputFolders() []string { return []string{"bin", "data", "dist", "results"} }

// emptyNames say nothing about what is inside.
func emptyNames() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "misc", "stuff", "base"}
}
