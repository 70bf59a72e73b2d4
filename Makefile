# The only door: people and CI use the same targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
NESTLING := target/debug/nestling

.PHONY: help demo build test check tools github-model fly-model images test-images test-emulators test-guides test-aws bench soak kills sim mutants deps clean-demo

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

build: needs-build ## build the one binary
	$(CARGO) build --locked

demo: needs-run build ## two sample apps, in production and in a pull request, come alive on this machine
	$(NESTLING) demo

# Most of the long tests wait for machines, browsers and clocks: two for each core leave no core idle.
test: tools ## install what the tests need, then run them all
	$(CARGO) nextest run --locked --workspace --test-threads $$((2 * $$(nproc)))

check: ## format, lints and documentation, as CI wants them
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

tools: needs-build ## install what the tests need beside Rust, Node and Python (Debian: needs root once)
	scripts/tools.sh

github-model: needs-build ## a model of GitHub to try things by hand, without an account (ARGS="--listen … --webhook …")
	$(CARGO) run --locked -p nestling-world --bin github-model -- $(ARGS)

fly-model: needs-build ## a model of Fly to try things by hand, without an account (ARGS="--listen … --slow")
	$(CARGO) run --locked -p nestling-world --bin fly-model -- $(ARGS)

TAG ?= $(shell git rev-parse --short HEAD)
images: ## the images of server and runner, with Docker, Podman or Buildah (TAG=1.0 ARGS="--build-arg NODE=…")
	scripts/images.sh $(TAG) $(ARGS)

test-images: needs-build ## build both images of bases made here, and try what is in them (root, buildah, mmdebstrap)
	scripts/test-images.sh

test-emulators: tools needs-build ## records, blobs and keys against a second, stricter emulator of AWS (built once, ten minutes)
	scripts/test-emulators.sh

test-guides: tools build ## every command of the deployment guides, against models and emulators
	$(CARGO) build --locked -p nestling-world --bins
	scripts/guides.sh

test-aws: needs-build ## records, blobs and keys on a real account (NESTLING_TEST_TABLES, _BUCKET, _KEY, and credentials as usual)
	@[ -n "$$NESTLING_TEST_TABLES$$NESTLING_TEST_BUCKET$$NESTLING_TEST_KEY" ] || { echo "nestling: set NESTLING_TEST_TABLES to what names of tables shall begin with, which are made and removed, NESTLING_TEST_BUCKET to a bucket, NESTLING_TEST_KEY to a symmetric key, or some of them, and AWS_REGION to where they are" >&2; exit 1; }
	NESTLING_TEST_AWS=1 $(CARGO) nextest run --locked -p nestling --lib -E 'test(on_a_real_account)'

bench: needs-build ## measure, and print the tables of docs/benchmarks.md
	scripts/bench.sh

soak: tools build ## the long runs: many kills, many cases
	NESTLING_CASES=200000 NESTLING_KILLS=200 NESTLING_REDEPLOYS=100 NESTLING_FLEET=100000 $(CARGO) nextest run --locked --workspace --profile soak

kills: tools build ## the server dies at each request that it makes to Fly and to AWS, before and after that is done
	NESTLING_KILLS=40 $(CARGO) nextest run --locked -p nestling --test it --profile soak --no-capture -E 'test(/^kill::(fly|aws)::/)'

sim: needs-build ## the simulation with as many seeds as you like (SEEDS=20000), or one seed's story (SEED=17)
	NESTLING_SEEDS=$(SEEDS) NESTLING_SEED=$(SEED) $(CARGO) nextest run --locked -p nestling --lib --profile soak --no-capture -E 'test(whatever_goes_wrong)'

mutants: ## change the lifecycle and the policy in every way and see that a test notices
	@command -v cargo-mutants >/dev/null || $(CARGO) install --locked cargo-mutants
	$(CARGO) mutants --package nestling-domain --file 'crates/domain/src/lifecycle/*.rs' --file 'crates/domain/src/policy/*.rs' --file crates/domain/src/queue.rs --file crates/domain/src/local_forge.rs --file 'crates/domain/src/local_forge/*.rs'

deps: ## licences, sources and bans of what we depend on
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check bans licenses sources

.PHONY: needs-build needs-run
needs-build:
	@scripts/needs.sh build
needs-run:
	@scripts/needs.sh run
