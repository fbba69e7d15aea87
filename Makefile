# Everything a fresh machine needs is set up by the target that needs it: Python >= 3.11, a C++ compiler and cmake suffice.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# PYTHON picks the interpreter of the virtual environment, SERVE_ARGS and PYTEST_ARGS go to the command behind a target.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do command -v $$name && break; done)
SERVE_ARGS ?=
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin

# A process a core, each with neighbouring tests, which share what they start; PYTEST_ARGS="-n 0" runs them in one.
PYTEST := $(BIN)/python -Im pytest --numprocesses auto --maxprocesses 8 --dist worksteal

# One stamp per step; a step runs again when its input is newer.
UV := $(VENV)/.uv
PACKAGES := $(VENV)/.packages
LLAMA_KEY := $(shell $(PYTHON) tools/build_llama_wheel.py --key 2>/dev/null)
LLAMA := $(VENV)/.llama-$(LLAMA_KEY)

# Locks hold versions and hashes and no address: every machine uses the index it is configured for.
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: serve
serve: setup ## Serve the demo model on http://127.0.0.1:8080 (SERVE_ARGS for more)
	exec $(BIN)/jackfield serve $(SERVE_ARGS)

.PHONY: test
test: setup ## Run all tests (PYTEST_ARGS for more)
	$(PYTEST) $(PYTEST_ARGS)

.PHONY: test-full
test-full: setup ## Run all tests, with ten times as many made-up requests
	JACKFIELD_CASES=5000 $(PYTEST) $(PYTEST_ARGS)

.PHONY: lint
lint: setup ## ruff, mypy, pyright and the import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: setup ## Format the code and fix what ruff can fix
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: docs
docs: setup ## Write the generated pages of docs/ anew
	$(BIN)/python tools/write_docs.py

.PHONY: fixtures
fixtures: setup ## Write the small models of tests/fixtures anew
	$(BIN)/python -m tools.fixtures.make

.PHONY: bench
bench: setup ## Run the benchmarks; results go to reports/benchmarks
	$(BIN)/python benchmarks/run.py

.PHONY: bench-llama-server
bench-llama-server: setup ## Run those against llama-server alone; it is built first where LLAMA_SERVER names none
	$(BIN)/python benchmarks/run.py --only unshared_prompts long_arrivals shared_prefix

.PHONY: wheel
wheel: setup ## Build wheel and source distribution into dist/
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist

.PHONY: lock
lock: $(UV) ## Take up new versions of the dependencies
	$(COMPILE) requirements/uv.in -o requirements/uv.lock
	$(COMPILE) --all-extras --group dev --no-emit-package llama-cpp-python pyproject.toml -o requirements/dev.lock
	$(COMPILE) --no-deps --no-binary llama-cpp-python requirements/llama.in -o requirements/llama.lock

.PHONY: clean
clean: ## Remove everything that was built, the virtual environment too
	rm -rf $(VENV) build dist reports .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.PHONY: setup
setup: $(PACKAGES) $(LLAMA)

$(UV): requirements/uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Jackfield needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	touch $@

$(PACKAGES): $(UV) requirements/dev.lock pyproject.toml
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/dev.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(LLAMA): requirements/llama.lock tools/build_llama_wheel.py | $(PACKAGES)
	$(BIN)/python tools/build_llama_wheel.py
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-index --reinstall build/wheels/llama_cpp_python-*.whl
	rm -f $(VENV)/.llama-*
	touch $@
