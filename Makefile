# Two commands are enough: `make bench` and `make test`. Both create .venv when it is missing.
PYTHON ?= python3
SUITE ?= suites/default.toml
NAME = $(notdir $(basename $(SUITE)))
REASON ?=
export REASON
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS_STAMP := $(VENV)/.installed-peers
DOCS_STAMP := $(VENV)/.installed-docs
PART ?= all
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Commands start processes, tests hundreds: each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup bench test test-slow test-gpu check format method-pages command-pages guide docs tables publish microbench scaling peers simulate faults gate baseline clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(STAMP)  ## Make the environment (.venv) alone

bench: $(STAMP)  ## Run a suite and print its leaderboard (SUITE=suites/default.toml)
	@$(BIN)/bench run $(SUITE)

test: $(STAMP)  ## Run the tests, in two processes
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(STAMP)  ## Run the tests that take minutes (published numbers, orders that must come out)
	$(BIN)/python -m pytest -q -m slow

test-gpu: $(STAMP)  ## Run the tests that need a CUDA device
	$(BIN)/python -m pytest -q -m gpu

faults: $(STAMP)  ## Faults for real, in their full form: results/faults.md (half an hour)
	FAULTS=full FAULTS_TABLE=results/faults.md $(BIN)/python -m pytest -q -m 'fault and not gpu' tests

check: $(STAMP)  ## Lint, types, import contracts, module size, published tables
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/tools/module_size.py
	$(MAKE) --no-print-directory tables
	git diff --exit-code -- results

format: $(STAMP)  ## Format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

method-pages: $(STAMP)  ## Write parameters and search spaces into docs/methods again
	PYTHONPATH=. $(BIN)/python tests/tools/method_pages.py

command-pages: $(STAMP)  ## Write docs/commands again from the commands' own help
	PYTHONPATH=. $(BIN)/python tests/tools/command_pages.py

guide: $(STAMP)  ## Run the commands of docs/guide.md again, and write what they print into it (a minute)
	$(BIN)/python -m tests.tools.guide

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

docs: $(DOCS_STAMP)  ## Build docs/ as a site into build/site; a link or a page that leads nowhere fails it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

tables: $(STAMP)  ## Derive everything in results/ from its records again: tables, model cards, README.md
	@$(BIN)/bench export all results --write

publish: $(STAMP)  ## Publish the live run of SUITE with all its tables, and check them against its records
	@$(BIN)/bench publish runs/$(NAME) $(if $(REASON),--reason "$$REASON")
	@$(BIN)/bench export all results --write
	@$(BIN)/bench publish results/$(NAME) --check

MICRO := $(BIN)/python -m pytest -q tests/benchmarks --benchmark-only -m '' \
	-W default::pytest_benchmark.logger.PytestBenchmarkWarning \
	--benchmark-columns=median,iqr,ops,rounds --benchmark-storage=file://results/microbench

microbench: $(STAMP)  ## Time the hot paths and compare with the stored baseline (SAVE=1 stores this run)
	$(MICRO) $(if $(SAVE),--benchmark-save=baseline,$(if $(wildcard results/microbench/*/*.json),--benchmark-compare))

scaling: $(STAMP)  ## Cost per item and memory from 1,000 to 100,000 texts: results/throughput/ (minutes)
	$(BIN)/python -m tests.benchmarks.scaling

$(PEERS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,peers]'
	@touch $@

peers: $(PEERS_STAMP)  ## Against sentence-transformers, onnxruntime, MTEB, scikit-learn, Trainer, setfit: results/peers/ (PART=text)
	$(BIN)/python -m tests.benchmarks.peers $(PART)

simulate: $(STAMP)  ## Coverage, false alarms and power of the statistics: docs/simulations.md (minutes)
	$(BIN)/python -m tests.tools.simulate

gate: $(STAMP)  ## Run SUITE anew and judge it against results/ (REF=main times the hot path, too)
	rm -rf runs/gate/$(NAME)
	@$(BIN)/bench run $(SUITE) --runs runs/gate || [ $$? -eq 1 ]
	@$(BIN)/bench gate --baseline results/$(NAME) --candidate runs/gate/$(NAME) $(if $(REF),--rerun "$(REF)")

baseline: $(STAMP)  ## Replace results/ of SUITE by its live run, for a REASON="..." that is kept
	@$(BIN)/bench publish runs/$(NAME) --reason "$$REASON"

clean:  ## Remove the environment and the live runs
	rm -rf $(VENV) runs
