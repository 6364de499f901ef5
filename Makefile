# Two commands do it all on a fresh Debian 12 with a Rust toolchain and Python 3.11:
#   make demo    the main job on real data
#   make test    every test
.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-python test-rados test-aiida test-demo torture sanitize bench lint setup oracle package
.PHONY: baseline_python example_python iteration_python

PYTHON := .venv/bin/python
# The shortest share of the machine's files that the demo loads as a test.
TEST_DEMO_LIMIT := 64MiB
# The peers of the benchmark are built here, and its data lives here while it runs.
BENCH_TARGET := $(or $(CARGO_TARGET_DIR),target)/benchmarks
# For example: make bench BENCH_OPTIONS="--sections sync,threads --directory /mnt/disk"
BENCH_OPTIONS :=
# How long `make torture` goes on, and how long each fuzzer of `make sanitize` runs.
export MINUTES ?= 10
export FUZZ_SECONDS ?= 60

help: ## Shows what there is to make
	@grep -hE '^[a-z_-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## Makes .venv and installs what is missing
	@scripts/setup

# Where it can't be made, the tests that need it say that they are skipped.
oracle:
	@scripts/setup-oracle || echo "disk-objectstore can't be installed: the tests that compare with it are skipped" >&2

package: setup ## Builds the Python package and its shims into .venv
	@echo "== building the Python package"
	@.venv/bin/pip install --quiet --disable-pip-version-check . ./shims/pydaos ./shims/disk_objectstore ./shims/pmemkv

demo: package ## Runs the main job on real data
	@scripts/demo

test: test-rust test-python test-rados test-demo ## Runs every test
	@echo "== all tests passed"

test-rust: setup oracle
	@echo "== Rust: contracts, engine, crash harnesses and their planted bugs, front door, command line"
	cargo test --workspace --features millpond/planted-bugs,millpond-local/planted-bugs
	@echo "== Rust: the engine on a model checker of interleavings"
	cargo test -p millpond-local --features interleave --test interleave

test-python: package oracle
	@echo "== Python: package, stubs, compatibility with PyDAOS, disk-objectstore and pmemkv, examples"
	$(PYTHON) -m pytest

# The cluster is made anew in a directory of its own, and goes with the tests, however they end.
test-rados: package
	@echo "== RADOS: the backend on a Ceph cluster of three OSDs on this machine"
	@scripts/test-rados

test-aiida: ## Runs AiiDA, unmodified, on Millpond; installs it into .venv-aiida
	@echo "== AiiDA, on Millpond in place of disk-objectstore"
	@scripts/test-aiida

test-demo: package
	@echo "== the demo, on $(TEST_DEMO_LIMIT)"
	@DEMO_LIMIT=$(TEST_DEMO_LIMIT) scripts/demo

baseline_python: package ## Times pmemkv's calls beside a plain dict; COUNT=100000 records
	@$(PYTHON) examples/pmemkv_baseline.py $(if $(COUNT),--count $(COUNT))

example_python: package ## Begins with pmemkv, in both interfaces of its bindings
	@$(PYTHON) examples/pmemkv_example.py

iteration_python: package ## Times pmemkv's ways to visit every record; COUNT=100000
	@$(PYTHON) examples/pmemkv_iteration.py $(if $(COUNT),--count $(COUNT))

torture: setup ## Attacks the store for MINUTES (10), with new seeds
	@scripts/torture

sanitize: setup ## Fuzzers, Miri and AddressSanitizer, with a nightly toolchain
	@scripts/sanitize

bench: package oracle ## Measures Millpond beside its peers; FULL=1 also at ten million records
	@echo "== building the peers"
	@.venv/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
	@.venv-oracle/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements-apart.txt
	@cargo build --release --quiet --manifest-path benchmarks/rust/Cargo.toml --target-dir $(BENCH_TARGET)
	$(PYTHON) benchmarks/python/bench.py --binary $(BENCH_TARGET)/release/millpond-benchmarks $(if $(FULL),--full) $(BENCH_OPTIONS)

lint: setup ## Checks format, lints and types
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features millpond/planted-bugs,millpond-local/planted-bugs,millpond-rados/planted-bugs -- -D warnings
	cargo fmt --manifest-path benchmarks/rust/Cargo.toml --check
	cargo clippy --manifest-path benchmarks/rust/Cargo.toml --target-dir $(BENCH_TARGET) --all-targets -- -D warnings
	cargo clippy -p millpond-local --features interleave --lib --test interleave -- -D warnings
	.venv/bin/ruff check python examples tests benchmarks shims
	.venv/bin/ruff format --check python examples tests benchmarks shims
	.venv/bin/mypy
