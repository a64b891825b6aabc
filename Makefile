# The tasks of this repository; `make help` lists them. A fresh machine needs Python 3.11 or newer and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
WORKERS := $(shell $(PYTHON) -c 'import os; print(2 if (os.cpu_count() or 1) > 1 else 0)')

# Everything is installed from uv.lock and tools/requirements, by hash, with the interpreter of the environment.
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
SYNC := $(UV) sync --quiet --frozen --no-install-project --python $(BIN)/python
INSTALL_AGON := $(UV) pip install --quiet --python $(BIN)/python --no-deps \
	--build-constraints tools/requirements/build.txt --editable .

BOOTSTRAPPED := $(VENV)/.bootstrapped
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
LOCKED := pyproject.toml uv.lock tools/requirements/build.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Use

.PHONY: help
help: ## List the tasks
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(RUNTIME) ## Start Agon with everything it needs, on http://127.0.0.1:8000
	$(BIN)/agon serve

##@ Change

.PHONY: setup
setup: $(DEVELOPMENT) ## Install all that development needs into .venv

.PHONY: test
test: $(DEVELOPMENT) ## Run the tests; TESTS="tests/unit -k money" runs some; with CI=true coverage is a gate
	$(BIN)/pytest -n $(WORKERS) $(COVERAGE) $(TESTS)
	$(COVERAGE_GATE)

ifeq ($(CI)$(TESTS),true)
COVERAGE := --cov --cov-report= --cov-report=json:build/coverage.json
COVERAGE_GATE = $(BIN)/python -m tools.check_coverage build/coverage.json
endif

.PHONY: check
check: lint types imports layout generated ## Run every check that is not a test

.PHONY: fmt
fmt: $(DEVELOPMENT) ## Format the code and repair what ruff can repair
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: migration
migration: $(DEVELOPMENT) ## Begin a migration: make migration name=add_seasons
	@test -n "$(name)" || { echo 'Say what it does: make migration name=add_seasons' >&2; exit 2; }
	$(BIN)/agon migrate new "$(name)"

.PHONY: schema
schema: $(DEVELOPMENT) ## Write schema.sql anew, from the migrations
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export AGON_DATA_DIR="$$folder/data" AGON_ENVIRONMENT=test && \
		$(BIN)/agon migrate up && $(BIN)/agon migrate dump schema.sql

.PHONY: docs
docs: $(DEVELOPMENT) ## Write the generated pages anew
	$(BIN)/python -m tools.generate_docs

.PHONY: bench
bench: $(DEVELOPMENT) ## Run the benchmarks; only=ratings runs benchmarks/ratings.py
	@for benchmark in $(if $(only),benchmarks/$(only).py,$(filter-out %/__init__.py,$(sort $(wildcard benchmarks/*.py)))); do \
		echo "== $$benchmark"; \
		$(BIN)/python -m "$$(echo "$${benchmark%.py}" | tr / .)" || exit; \
	done

##@ Check

.PHONY: lint
lint: $(DEVELOPMENT) ## Lint, and compare with the formatter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(DEVELOPMENT) ## Check the types
	$(BIN)/pyright

.PHONY: imports
imports: $(DEVELOPMENT) ## Check who imports whom
	$(BIN)/lint-imports --no-logo

.PHONY: layout
layout: $(DEVELOPMENT) ## Check where code stands, what is pure, and who handles transactions
	$(BIN)/python -m tools.check_layout
	$(BIN)/python -m tools.check_purity
	$(BIN)/python -m tools.check_transactions

.PHONY: generated
generated: $(DEVELOPMENT) ## Check that the generated pages are up to date
	$(BIN)/python -m tools.generate_docs --check

##@ Ship

.PHONY: build
build: $(DEVELOPMENT) ## Build the wheel and its bill of materials into dist/
	rm -rf dist
	$(UV) build --quiet --wheel --python $(BIN)/python --build-constraints tools/requirements/build.txt --require-hashes
	$(UV) export --quiet --frozen --no-dev --no-emit-project --output-file dist/requirements.txt
	$(UV) export --quiet --frozen --no-dev --format cyclonedx1.5 --preview-features sbom-export --output-file dist/agon.cdx.json

.PHONY: smoke
smoke: build ## Start the built wheel in an environment of its own, and stop it again
	$(BIN)/python -m tools.smoke_start dist

.PHONY: lock
lock: $(DEVELOPMENT) ## Lock the dependencies anew, with the newest versions allowed
	$(UV) lock --upgrade
	tools/requirements/compile $(UV)

# Stamps: set-up runs again when what it was made from has changed, and is instant otherwise.

$(BOOTSTRAPPED): tools/requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("Agon needs Python 3.11 or newer; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement $<
	@touch $@

$(RUNTIME): $(BOOTSTRAPPED) $(LOCKED)
	$(SYNC) --no-dev --inexact
	$(INSTALL_AGON)
	@touch $@

$(DEVELOPMENT): $(BOOTSTRAPPED) $(LOCKED)
	$(SYNC) --inexact
	$(INSTALL_AGON)
	@touch $@ $(RUNTIME)
