# Every command of the project. Plain `make` lists them.

.DEFAULT_GOAL := help
.NOTPARALLEL: # the steps of `check` come in the order they are written
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
STAMP := .venv/.limen-setup
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-header

WORKERS ?= 2
BOARDS := scenarios null delay drift attribution nab tcpd back minute throughput recovery memory
ARGS ?=

##@ Use

help: ## List these targets.
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the environment in .venv from the locks; does nothing when it is up to date.
	@:

$(STAMP): pyproject.toml $(wildcard requirements/*.txt)
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "setup: no Python 3.11 or newer found: install one, or name it: make setup PYTHON=/path/to/python" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## Set up and show Limen at work: simulated live traffic, an incident, the pages in a browser.
	@$(BIN)/limen demo $(ARGS)

kafka: ## Start a real Apache Kafka on 127.0.0.1:9092, in the background (needs Java 17 and Maven).
	@$(PYTHON) deploy/kafka/broker.py start --port 9092 --auto-create-partitions 2 $(ARGS)

kafka-stop: ## Stop the broker that `make kafka` started; its log stays in .cache/kafka/data.
	@$(PYTHON) deploy/kafka/broker.py stop

##@ Check

test: setup ## Set up and run the tests; name some of them with ARGS="tests/schemas -k decode".
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup $(ARGS)

check: format-check lint types imports test ## Run all that must pass before a change lands: exactly what .ci/run runs.

format-check: setup ## Say which files `make format` would change.
	@$(BIN)/ruff format --check --quiet || { echo "format: run make format" >&2; exit 1; }

lint: setup ## Run ruff with every rule on.
	@$(BIN)/ruff check

types: setup ## Run mypy in strict mode.
	@$(BIN)/mypy

imports: setup ## Check that imports go one way.
	@$(BIN)/lint-imports --no-logo

##@ Work

format: setup ## Lay out the code with ruff and mend what it can mend by itself.
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

lock: setup ## Renew the locks in requirements/; take newer versions with ARGS=--upgrade.
	@$(COMPILE) $(ARGS) requirements/uv.in -o requirements/uv.txt
	@$(COMPILE) $(ARGS) pyproject.toml -o requirements/runtime.txt
	@$(COMPILE) $(ARGS) pyproject.toml requirements/uv.in --extra dev \
		-c requirements/uv.txt -c requirements/runtime.txt -o requirements/dev.txt
	@$(COMPILE) $(ARGS) requirements/rivals.in -o requirements/rivals.txt
	@$(COMPILE) $(ARGS) pyproject.toml --extra apprise -c requirements/runtime.txt -o requirements/apprise.txt

docs: setup ## Write the pages of docs/ that are made from the code.
	@$(BIN)/python -m docs.generate

bench: setup ## Run the quick form of every benchmark; one of them whole: python -m benchmarks.NAME --json benchmarks/results/NAME.json.
	@for board in $(BOARDS); do echo "$$board:"; $(BIN)/python -m benchmarks.$$board --quick $(ARGS) || exit 1; done

soak: setup ## Run the long tests of faults, and write what they counted; ARGS="--minutes-max 60" bounds the time.
	@$(BIN)/python -m benchmarks.soak --json benchmarks/results/soak.json $(ARGS)

rivals: setup ## Make the rivals' environment in .venv-rivals; boards take it as --rivals .venv-rivals/bin/python.
	@test -x .venv-rivals/bin/python || $(PYTHON) -m venv .venv-rivals
	@$(BIN)/uv pip sync --quiet --python .venv-rivals/bin/python --require-hashes requirements/rivals.txt

programs: ## Install the real programs that some tests start: promtool, amtool, chromium (Debian, as root).
	@deploy/install-programs

clean: ## Remove everything that was made: environment, caches, builds, the broker's log, the folder of the demo.
	@$(PYTHON) deploy/kafka/broker.py stop >/dev/null 2>&1 || true
	@rm -rf .venv .venv-rivals .cache .limen-demo build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup run kafka kafka-stop test check format-check lint types imports format lock docs bench soak rivals programs clean
