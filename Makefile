# `make demo` shows the whole of gosonde on a leaking program; `make test` runs every test.
# Each sets up what it needs, and asks for nothing but make, python3 and a Debian-like system.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 60
BENCH ?=
ACCURACY ?=
ACCURACY_PROOF ?=
KERNELS ?=

# Hundreds of tests start the command: without Python's cache each start would compile all of it.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
READY := .venv/.ready
# Stands where gosonde can run; tests need more.
RUNS := .venv/.runs

.PHONY: bench client client-wheel transcripts help setup demo pictures accuracy accuracy-proof accuracy-verdict test test-attacks test-cluster test-faults test-images test-kubernetes test-packages test-sources lint format proto proto-check proto-release run install image package package-lock uninstall clean test-kernels test-distributions test-timers test-clickhouse

help: ## Say what each target does
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' Makefile | expand -t 14

setup: $(READY) ## Install what is missing, also for tests, and make .venv

$(READY): pyproject.toml scripts/setup
	scripts/setup
	@touch $@ $(RUNS)

$(RUNS): pyproject.toml scripts/setup
	scripts/setup run
	@touch $@

demo: $(RUNS) ## Start a collector, an agent and a leaking program, and find the leak
	$(BIN)/python scripts/demo.py

# Unit tests share nothing of the machine: alone they run side by side.
BESIDE := $(if $(filter tests/unit%,$(PYTEST_ARGS)),$(if $(filter tests/integration% tests/fuzz%,$(PYTEST_ARGS)),,--numprocesses=logical))

test: setup ## Run all tests
	$(BIN)/pytest $(BESIDE) $(PYTEST_ARGS)

pictures: setup ## Make the documentation's pictures of the web page anew, from a real leak (as root)
	GOSONDE_PICTURES=1 $(BIN)/pytest tests/integration/collector/web/test_pages.py tests/integration/collector/web/test_snapshot_pages.py

accuracy: setup ## Run every program of which it is known whether it leaks, on a quiet host and a busy one (half an hour, as root)
	$(BIN)/python scripts/accuracy.py $(ACCURACY)

accuracy-proof: setup ## Prove leaks of those programs against the runtime's own profile, and scan programs that lose nobody (25 minutes, as root)
	$(BIN)/python scripts/accuracy_proof.py $(ACCURACY_PROOF)

accuracy-verdict: setup ## Have gosonde trace and gosonde check look at each of those programs, on a quiet host and a busy one (an hour, as root)
	$(BIN)/python scripts/accuracy_verdict.py $(ACCURACY_VERDICT)

test-faults: setup ## Kill, cut and fill up everything, at length
	GOSONDE_FAULTS=full $(BIN)/pytest -m "" $(PYTEST_ARGS) $(addprefix tests/integration/,whole/test_faults.py collector/store/test_room.py collector/evidence/test_cut_dump.py \
		whole/test_clock_jumps.py whole/test_security.py::test_an_encrypted_stream_over_a_network_that_harms_it_loses_nothing)

test-attacks: setup ## Attach, kill, stop, starve and lie to everything, at length (a quarter of an hour, as root)
	GOSONDE_ATTACKS=full $(BIN)/pytest -m "" $(PYTEST_ARGS) $(addprefix tests/integration/whole/test_,cycles.py stops.py liars.py \
		shortage.py impostors.py many.py)

test-sources: setup ## Count by perf events and by ptrace 20 times each while everything happens to a program, and stop one 1,000 times (as root)
	GOSONDE_SOURCES=full $(BIN)/pytest -m "" --timeout=1800 $(PYTEST_ARGS) $(addprefix tests/integration/agent/sources/,perf ptrace) \
		$(addprefix tests/integration/whole/test_,no_probes.py privileges_table.py)

test-packages: setup ## Install, upgrade, downgrade, remove and purge the packages in Debian 12 and 13, and boot their services (half an hour, as root)
	$(BIN)/pytest -m "" $(PYTEST_ARGS) tests/integration/packages tests/integration/whole/boot

test-images: setup ## Build the container images, and find a leak with them in another container (a quarter of an hour, as root)
	scripts/setup images
	$(BIN)/pytest -m "" $(PYTEST_ARGS) tests/integration/images

test-kubernetes: setup ## Check the Helm chart at length, and have a leak in a pod become a finding that names it (as root)
	$(BIN)/pytest -m "" $(PYTEST_ARGS) tests/integration/kubernetes tests/integration/agent/discovery/test_container_names.py

test-cluster: setup ## Install the Helm chart in a real cluster of one node, whose Kubernetes is built from source at the first run (half an hour, as root)
	scripts/setup images
	$(BIN)/pytest -m "" $(PYTEST_ARGS) tests/integration/cluster

test-kernels: setup ## Boot kernels of Debian and Ubuntu and run gosonde on them (half an hour, as root); KERNELS="6.1 newest" some of them, KERNELS=arm64 those of arm64
	scripts/setup kernels
	$(BIN)/python -m tests.kernels.run $(KERNELS)

test-distributions: setup ## Set gosonde up in Debian 13 and sid and run all tests there (two hours, as root); DISTRIBUTIONS=trixie one of them, with PYTEST_ARGS some tests
	PYTEST_ARGS='$(PYTEST_ARGS)' $(BIN)/python -m tests.distributions.run $(DISTRIBUTIONS)

test-timers: setup ## Have timers that a program forgets become a finding, beside a program that stops its own (three minutes, as root)
	$(BIN)/pytest -m "" $(PYTEST_ARGS) tests/integration/collector/web/test_timer_findings.py

test-clickhouse: setup ## Run the tests of the store on Debian's ClickHouse and on today's (ten minutes)
	$(BIN)/python -c 'import chdb' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check chdb
	GOSONDE_STORE=clickhouse $(BIN)/pytest --numprocesses=2 $(PYTEST_ARGS) tests/unit/collector/store
	GOSONDE_STORE=chdb $(BIN)/pytest --numprocesses=2 $(PYTEST_ARGS) tests/unit/collector/store
	$(BIN)/pytest -m "" $(PYTEST_ARGS) tests/integration/collector/store/clickhouse

test-matrix: setup ## Run the tests of Go binaries over every Go version and kind of build
	$(BIN)/python scripts/generate_layouts.py --check
	GOSONDE_MATRIX=1 $(BIN)/pytest --timeout=900 $(PYTEST_ARGS) $(addprefix tests/integration/agent/,watch/test_matrix.py \
		golang/test_symbolization.py golang/test_arm64.py sources/ebpf/test_gc_pauses.py \
		sources/memory/test_memory_locating.py sources/memory/test_heap_locating.py \
		sources/memory/test_contexts.py sources/memory/test_http.py) tests/integration/collector/evidence/test_escapes.py

bench: setup ## Measure everything that docs/performance.md tells (an hour, as root); BENCH="life --quick" some of it
	$(BIN)/python -c 'import matplotlib' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[agent,collector,otlp,dev,bench]' || \
		echo 'matplotlib is missing and could not be installed: there will be figures, and no pictures' >&2
	$(BIN)/python -m benchmarks.run $(BENCH)

fuzz: setup ## Damage binaries and processes, send hostile messages, at random for FUZZ_SECONDS each (default 60): all must be refused or read
	$(BIN)/python -m tests.fuzz.run $(FUZZ_SECONDS)
	$(BIN)/python -m tests.fuzz.run_memory $(FUZZ_SECONDS)
	$(BIN)/python -m tests.fuzz.run_timers $(FUZZ_SECONDS)
	$(BIN)/python -m tests.fuzz.run_contexts $(FUZZ_SECONDS)
	$(BIN)/python -m tests.fuzz.run_http $(FUZZ_SECONDS)
	$(BIN)/python -m tests.fuzz.run_grpc $(FUZZ_SECONDS)
	$(BIN)/python -m tests.fuzz.run_dumps $(FUZZ_SECONDS)

transcripts: setup ## Write docs/transcripts.md from a real run of every command (a minute and a half, as root)
	$(BIN)/python scripts/write_transcripts.py

lint: setup ## Check style, types, imports between rooms, and that the protocol keeps what was released
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests scripts benchmarks
	$(BIN)/lint-imports --no-cache
	$(BIN)/buf lint proto
	$(BIN)/buf breaking proto --against proto/released.binpb

format: setup ## Put all Python code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: setup ## Generate proto/gosonde_pb
	$(BIN)/python scripts/generate_proto.py

client: setup ## Generate the client that blocks from the one for asyncio
	$(BIN)/python scripts/generate_client.py

client-wheel: $(RUNS) ## Build the wheel of the Python library alone into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist client/

proto-release: setup ## At a release: keep the protocol that later changes must not break
	$(BIN)/buf build proto --exclude-source-info --output proto/released.binpb

proto-check: setup ## Fail when proto/gosonde_pb is not what `make proto` generates
	scripts/check-proto

run: $(RUNS) ## Run a collector and an agent in the foreground until Ctrl-C
	scripts/run

install: $(RUNS) ## Install the command, the units and example configurations (DESTDIR, PREFIX, SYSCONFDIR)
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' scripts/install

package: $(RUNS) ## Build the Debian packages of agent and collector into dist/
	$(BIN)/python -m scripts.packages dist

image: setup ## Build the container images of agent and collector, and their SBOMs, into dist/ (as root)
	scripts/setup images
	$(BIN)/python -m scripts.images dist

package-lock: $(RUNS) ## Put today's newest Python packages that pyproject.toml allows into the Debian packages
	$(BIN)/python -m scripts.packages.wheels

uninstall: ## Remove what `make install` put there; changed configurations and collected data stay
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' scripts/uninstall

clean: ## Remove .venv and every cache inside the tree
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
