# tiercache: `make up` runs the whole platform on this machine, `make` lists what else there is.

VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
# ARGS go to `tiercache up`; PKG and TESTFLAGS narrow the tests: make test PKG=./origin/... TESTFLAGS='-run Put'
ARGS      ?=
PKG       ?= ./...
TESTFLAGS ?=
# What runs the tests; .ci/run puts a counting runner here.
GOTEST    ?= go test

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-17s %s\n", $$1, $$2 }'

.PHONY: up
up: deps-up build ## build it and run the whole platform here; make up ARGS="--edges 3"
	@bin/tiercache up $(ARGS)

.PHONY: build
build: ## build bin/tiercache
	@mkdir -p bin
	$(BUILD) -o bin/tiercache ./cmd/tiercache

.PHONY: test
test: deps-test vet ## all tests, with the race detector, on real PostgreSQL, Redis and NATS; memory budgets without it
	$(GOTEST) -race -timeout 15m $(TESTFLAGS) $(PKG)
	$(if $(filter ./...,$(PKG)),$(GOTEST) -timeout 5m -run 'Allocations|Memory' $(TESTFLAGS) ./edge/...)

.PHONY: test-control
test-control: deps-test ## the control log for longer: NATS away for 30 s under writes, a minute of reads and writes
	TIERCACHE_LONG_TESTS=1 $(GOTEST) -count=1 -timeout 10m -v -run TestControlLog ./loadtests/endtoend

# CHURN is for how long.
CHURN ?= 10m
.PHONY: test-churn
test-churn: ## an edge under objects of all sizes, far more than it holds: its memory stays near its budget for 10 minutes
	TIERCACHE_CHURN=$(CHURN) $(GOTEST) -count=1 -timeout 60m -v -run 'TestChurn$$' $(TESTFLAGS) ./loadtests/endtoend

.PHONY: test-http
test-http: deps-http ## the public suite for HTTP caches, http-cache-tests, against the built program, through one tier and two
	TIERCACHE_HTTP_TESTS=1 $(GOTEST) -count=1 -timeout 8m -v -run TestSemantics $(TESTFLAGS) ./loadtests/semantics

# SEEDS of the simulation; make test-simulation SEEDS=100000 for a night.
SEEDS ?= 10000
.PHONY: test-simulation
test-simulation: ## the fleet in virtual time: 10,000 seeds, then each mechanism switched off, which must be noticed
	TIERCACHE_SIMULATION_SWITCHES=1 $(GOTEST) -count=1 -timeout 60m -v -run 'TestSeeds|TestSwitches' $(TESTFLAGS) ./loadtests/simulation -args -seeds $(SEEDS)

# FOR how long, and the SEED that decides which faults come: make test-faults FOR=1m SEED=7 FAULTS='-only kill-edge,loss'
FOR    ?= 5m
SEED   ?= 1
FAULTS ?=
.PHONY: test-faults
test-faults: deps-faults ## the built fleet on hosts of its own while they break: 5 minutes of kills, cuts, restores, wrong clocks; as root
	TIERCACHE_FAULTS_TESTS=1 $(GOTEST) -count=1 -timeout 60m -v -run 'TestFaults$$' $(TESTFLAGS) ./loadtests/faults -args -for $(FOR) -seed $(SEED) $(FAULTS)

.PHONY: test-faults-switches
test-faults-switches: deps-faults ## the same, 30 seconds each, with one mechanism after the other switched off, which must be noticed
	TIERCACHE_FAULTS_SWITCHES=1 $(GOTEST) -count=1 -timeout 60m -v -run 'TestFaults_Switches' $(TESTFLAGS) ./loadtests/faults

.PHONY: drill-restore
drill-restore: deps-up build ## lose the database of a platform under load, restore it to a point in time: data lost, time, violations
	go run ./loadtests/drill/run $(ARGS)

.PHONY: bench-sequencing
bench-sequencing: deps-up build ## how fast commits reach the nodes, in about 2 minutes: latency, throughput, the cost of a watch
	go run ./loadtests/sequencing/run $(ARGS)

.PHONY: bench-peers
bench-peers: deps-up deps-peers build ## how fast hits are beside nginx, Varnish, HAProxy and Traffic Server, in about 12 minutes; as root
	go run ./loadtests/peers/run $(ARGS)

# The packages and benchmarks of what a hit does, from the connection to the reply.
HIT_PACKAGES := ./shared/proxy/listener ./shared/cachekey ./shared/policy ./shared/httpcache ./edge/l1 ./shared/object \
	./shared/invalidation ./shared/telemetry ./edge
BENCH ?= Listener_Serve|Framer_Head|Keys|Match_Rule|HotPath|Cache_Lookup|DecodeEntry|Index_Check|Counter|Durations_Record|Hit
.PHONY: bench-hit
bench-hit: ## each step of a hit, and a whole one: time and allocations, in about a minute
	go test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime 300ms $(HIT_PACKAGES) | grep -vE '^(PASS|goos|goarch|cpu)'

# BASE is what git has a name for; BENCH and PKGS are other benchmarks, and where they are.
BASE ?=
PKGS ?= $(HIT_PACKAGES)
.PHONY: bench-compare
bench-compare: ## the same steps as in a revision, by benchstat: make bench-compare BASE=HEAD~1; ROUNDS=20 for less noise
	@.ci/bench-compare '$(BASE)' '$(BENCH)' $(PKGS)

.PHONY: fleet
fleet: deps-up build ## what 100, 1,000 and 5,000 followers cost, in about 5 minutes: tables and a plot in results/
	go run ./loadtests/fleet/run $(ARGS)

.PHONY: cost
cost: deps-up build ## what requests cost in processors, memory and money, in about 10 minutes: results/COST.md
	go run ./loadtests/cost/run $(ARGS)

# k6 is built from its module, at the version in .ci/k6.mod: the first time takes a few minutes.
bin/k6: .ci/k6.mod .ci/k6.sum
	@mkdir -p bin
	CGO_ENABLED=0 go build -modfile=.ci/k6.mod -trimpath -o bin/k6 go.k6.io/k6

.PHONY: load
load: deps-up build bin/k6 ## scenarios by k6: a steady mix, a spike, a storm of purges, a soak of 10 minutes; a page in results/
	go run ./loadtests/scenarios/run $(ARGS)

# TRACES is a folder of request traces, *.gz, a line is KEY or KEY SIZE.
TRACES ?=
.PHONY: bench-hitratio
bench-hitratio: ## what share of requests L1 answers, beside W-TinyLFU, LRU, bigcache, Belady: make bench-hitratio TRACES=DIR
	go run ./loadtests/hitratio/run --traces '$(TRACES)' $(ARGS)

.PHONY: test-short
test-short: deps-test ## the quicker tests, without the race detector
	$(GOTEST) -short -timeout 5m $(TESTFLAGS) $(PKG)

.PHONY: vet
vet:
	go vet $(PKG)

.PHONY: lint
lint: ## staticcheck, at the version in .ci/tools.mod
	go tool -modfile=.ci/tools.mod staticcheck $(PKG)

.PHONY: fmt
fmt: ## format all Go files
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: dist
dist: ## static binaries for Linux on amd64 and arm64, and SHA256SUMS, in dist/
	rm -rf dist
	mkdir -p dist
	GOOS=linux GOARCH=amd64 $(BUILD) -o dist/tiercache-$(VERSION)-linux-amd64 ./cmd/tiercache
	GOOS=linux GOARCH=arm64 $(BUILD) -o dist/tiercache-$(VERSION)-linux-arm64 ./cmd/tiercache
	cd dist && sha256sum tiercache-* > SHA256SUMS && cat SHA256SUMS

.PHONY: clean
clean: ## remove what was built; the data folder stays
	rm -rf bin dist

# Programs that this machine lacks, installed with apt. Nothing is started.
.PHONY: deps-up deps-test deps-faults deps-peers deps-http
deps-up:
	@.ci/deps up
deps-test:
	@.ci/deps test
deps-faults:
	@.ci/deps faults
deps-peers:
	@.ci/deps peers
deps-http:
	@.ci/deps http
