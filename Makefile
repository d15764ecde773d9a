# What a newcomer and the CI run. Everything stays on this machine's loopback; see docs/TESTING.md.
# Root or sudo is asked for only where a Debian package is missing.

# Debian's own Python, which has slixmpp; another one that comes first in PATH has not.
PYTHON ?= /usr/bin/python3
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# Right after an installation by rustup, cargo may not be in the PATH yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-stop test unit simulate crash-test backlog federation outages bench bench-quick bench-docs bench-smoke deps rust

help: ## print this
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
	@echo "Variables: KEEP=1 (make demo: leave everything running), STORIES='...' (make federation: only these),"
	@echo "           BENCH='--cell 48x10 --durability normal' (make bench: see benches/run.py --help)"

demo: deps rust ## show the whole way of a measurement, between two real servers
	cargo build --release --locked
	@COURANT_BIN='$(TARGET)/release/courant' $(PYTHON) demo/demo.py $(if $(filter-out 0,$(KEEP)),--keep)

demo-stop: ## stop what `make demo KEEP=1` left running
	@$(PYTHON) demo/demo.py --stop

test: deps rust unit federation bench-smoke ## all tests: unit, conversations, federation, correctness under load

unit: rust ## unit tests and conversations with a scripted server
	cargo test --locked

simulate: rust ## 100 000 seeds of the simulation (COURANT_SEEDS=N for another number, COURANT_SEED=N for one)
	COURANT_SEEDS=$(or $(COURANT_SEEDS),100000) cargo test --release --locked --test simulation -- --nocapture

crash-test: rust ## killed 200 times under load, its link cut, servers hung (COURANT_KILLS=N, COURANT_SEED=N)
	COURANT_KILLS=$(or $(COURANT_KILLS),200) cargo test --release --locked --test crash -- --nocapture

backlog: rust ## a million items wait: how soon it starts, what memory it takes, how fast it drains
	COURANT_BACKLOG=$(or $(COURANT_BACKLOG),1000000) cargo test --release --locked --test backlog -- --nocapture

federation: deps rust ## the stories between a real Prosody and a real ejabberd, in both directions
	cargo build --locked
	@COURANT_BIN='$(TARGET)/debug/courant' $(PYTHON) tests/federation/run.py $(STORIES)

outages: deps rust ## real servers stopped, killed and frozen under load, at full length (a quarter of an hour)
	cargo build --release --locked
	@COURANT_BIN='$(TARGET)/release/courant' $(PYTHON) tests/federation/run.py --long

bench: deps rust ## measure beside the peers, full matrix (half an hour); report in target/bench
	@$(PYTHON) benches/run.py $(BENCH)

bench-quick: deps rust ## the same, a few cells, one short round each
	@$(PYTHON) benches/run.py --quick $(BENCH)

bench-docs: ## bring the report and plots of the last `make bench`, and of a soak, to docs/benchmarks
	@mkdir -p docs/benchmarks
	cp $(wildcard $(TARGET)/bench/report.md $(TARGET)/bench/*.json $(TARGET)/bench/*.svg) docs/benchmarks/

bench-smoke: rust ## is every message right under load? seconds, no figures
	cargo test --locked --quiet --manifest-path benches/load/Cargo.toml --target-dir '$(TARGET)/bench-tools'
	cargo build --locked
	@COURANT_BIN='$(TARGET)/debug/courant' $(PYTHON) benches/run.py --smoke

deps: ## install the Debian packages that are missing (needs root or sudo, once)
	@scripts/install-deps.sh

rust:
	@command -v cargo >/dev/null || { echo "Rust is missing: see https://rustup.rs"; exit 1; }
