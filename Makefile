# The only door: every check CI runs is a target here. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
# Faults load two cores by two at a time; most other tests wait. The order is that of tests/conftest.py.
IN_PARALLEL := --dist loadfile --no-loadscope-reorder
# ARGS reaches the tool behind a target: make test ARGS="-k restart --kafka=container"
ARGS ?=

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Make .venv with everything in it; quick when it is there already
	@echo "Ready: .venv"

# Written last, so an interrupted install is repeated; newer than what it is made of, so changes
# arrive: the package's description, and the modules that are compiled.
$(READY): pyproject.toml hatch_build.py $(wildcard schemas/*.py streams/core/*.py streams/store/*.py \
		streams/verify/*.py producers/*.py producers/contract/*.py)
	@echo "Setting up .venv: about a minute the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[embedded,test,dev]'
	@touch $@

.PHONY: demo
demo: $(READY) ## Broker, worker, bridge, one call and its sends; then stop
	$(BIN)/mailing-trigger demo $(ARGS)

.PHONY: up
up: $(READY) ## Broker, worker and bridge, until Ctrl-C
	$(BIN)/mailing-trigger up $(ARGS)

.PHONY: test
test: $(READY) ## The test suite, on the embedded broker
	$(BIN)/pytest -n 3 $(IN_PARALLEL) -m "not faults" $(ARGS)

.PHONY: faults
faults: $(READY) ## Three brokers, a bad network, full disks, wrong clocks: some minutes
	$(BIN)/pytest -n 2 $(IN_PARALLEL) -m faults $(ARGS)

.PHONY: test-container
test-container: $(READY) ## The broker's tests again, on apache/kafka in a container
	$(BIN)/pytest -n 2 $(IN_PARALLEL) -m "any_broker and not faults" --kafka=container $(ARGS)

.PHONY: crash
crash: $(READY) ## Clients' histories under faults, judged by the log; some minutes
	$(BIN)/python -m tests.history short $(ARGS)

.PHONY: crash-long
crash-long: $(READY) ## The same for an hour, all faults; goes on where it ended. ARGS="--minutes 480"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded,test,bench]'
	$(BIN)/python -m tests.history long $(ARGS)

.PHONY: soak
soak: $(READY) ## Half an hour of load and faults: do memory, files, threads grow?
	$(BIN)/python -m tests.history soak $(ARGS)

.PHONY: crash-mutants
crash-mutants: $(READY) ## Workers with a bug each, which the judge has to find
	$(BIN)/python -m tests.history mutants $(ARGS)

.PHONY: test-interpreted
test-interpreted: $(READY) ## The core's tests on a copy without compiled modules
	@copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	git ls-files -z | xargs -0 cp --parents -t "$$copy"; \
	cd "$$copy"; $(CURDIR)/$(BIN)/pytest -n 2 tests/unit tests/property -k "(fold or wire or schemas or contract or usual) and not no_breach" $(ARGS)

.PHONY: simulate
simulate: $(READY) ## 10,000 schedules of the worker under faults, some minutes; or one again
	$(BIN)/python -m tests.simulation $(ARGS)

.PHONY: lint
lint: $(READY) ## Style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(READY) ## mypy --strict
	$(BIN)/mypy

.PHONY: imports
imports: $(READY) ## Who may import whom
	$(BIN)/lint-imports

.PHONY: wheel
wheel: $(READY) ## Build the wheel and try it in an environment of its own
	$(BIN)/python .ci/wheel-check

.PHONY: compose-check
compose-check: $(READY) ## docker-compose.yml and Dockerfile, without an engine
	$(BIN)/pytest -q tests/unit/test_compose.py

.PHONY: bench
bench: $(READY) ## Measure beside the peers, in five minutes; figures go to bench/results
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-full
bench-full: $(READY) ## Measure everything, and draw it: an hour or two
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m bench --full $(ARGS)
	$(BIN)/python -m bench plot

.PHONY: clean
clean: ## Remove what the targets made, .venv too; not the data of `make up`
	find schemas streams producers -name '*.so' -delete
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
