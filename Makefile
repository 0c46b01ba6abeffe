# Every target needs only Python 3.11+ and make; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := balancer edge loadtest simulation tracing
TEST_WORKERS ?= 8

.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-18s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No virtual environment could be made; on Debian: apt-get install python3-venv"; exit 2; }

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "installing what the grid runs on (requirements/run.txt)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "installing what the tests run on (requirements/dev.txt)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

install: $(VENV)/run.stamp ## Make the virtual environment with the smartgrid command

demo: $(VENV)/run.stamp ## Run the grid with 100 cars for a minute, and show what became of them
	@$(BIN)/python scripts/demo.py $(DEMO_ARGS)

picture: $(VENV)/dev.stamp ## Take the README's moving picture anew (needs Chromium)
	@$(BIN)/python scripts/picture.py

up: $(VENV)/run.stamp ## Run the grid until Ctrl-C
	@$(BIN)/smartgrid up

test: test-local test-cluster ## Run all the tests

# Many tests wait, for a minute some of them, so eight workers keep two cores busy. They start processes: compiled code is kept.
test-local: $(VENV)/dev.stamp ## Run the tests that need no cluster
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses $(TEST_WORKERS)

# A plain user's run of the others skips these.
test-root: $(VENV)/dev.stamp ## Run the local tests that only root can run
	@$(BIN)/python -m pytest -m needs_root

# SEED repeats the round that failed; rounds with the seeds after it follow for as long as MINUTES says.
torture: $(VENV)/dev.stamp ## Kill, freeze and cut off real services at random for MINUTES, and check what clients were told
	@PYTHONPATH=tests $(BIN)/python -m torture --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

chargers-torture: $(VENV)/dev.stamp ## Kill edge and substations at random under 50 charging cars for MINUTES, and check the chargers' own registers
	@PYTHONPATH=tests $(BIN)/python -m chargers_torture --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

third-party-chargers: $(VENV)/dev.stamp ## Build the charger programs of others that tests use (npm, go, cargo; some minutes the first time)
	@PYTHONPATH=tests $(BIN)/python -m third_party.programs

lint: $(VENV)/dev.stamp ## Check style, types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(VENV)/dev.stamp ## Write the lock files in requirements/ anew
	@set -e; compile() { out=$$1; shift; $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header "$$@" pyproject.toml --output-file requirements/$$out.txt; }; \
	for service in substation gateway balancer edge loadtest; do compile $$service --extra $$service --extra tracing; done; \
	compile run $(EXTRAS:%=--extra %); \
	compile dev --all-extras --group dev

clean: ## Remove the virtual environment, caches and results
	rm -rf $(VENV) .smartgrid results build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis .import_linter_cache src/*.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

include benchmarks/bench.mk k8s-tests/cluster.mk model.mk

.PHONY: help install demo picture up test test-local test-root torture chargers-torture third-party-chargers lint format lock clean
