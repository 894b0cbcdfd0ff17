# Highstreet: `make demo` and `make test` do all their own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.highstreet-installed
ROOMS := audit client models privacy protos server simulations
PACKAGES := $(addprefix -p highstreet.,$(ROOMS))
DEMO_ARGS ?=
# One worker for each core, four at most: a worker takes up to 1 GB. SPREAD= runs all tests in one process.
SPREAD ?= -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

.PHONY: help setup demo test test-slow lint format types mutate soak protos protos-check wheel wheel-test lab audit bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11, or say PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@{ $(BIN)/python -m pip install --disable-pip-version-check 'setuptools>=77' wheel 'torch==2.13.0' \
	   && $(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation --editable '.[dev]'; } \
	   > $(VENV)/install.log 2>&1 || { tail -20 $(VENV)/install.log; echo "The installation failed; all of it: $(VENV)/install.log" >&2; exit 1; }
	@touch $@

setup: $(STAMP)  ## make .venv with everything in it

demo: $(STAMP)  ## a coordinator and six shops learn together on the sample co-op (DEMO_ARGS='--keep')
	@$(BIN)/highstreet demo $(DEMO_ARGS)

test: $(STAMP)  ## every test but the slow ones, with coverage
	@$(BIN)/python -m pytest $(SPREAD) -m "not slow" --cov --cov-report=term:skip-covered --cov-fail-under=85

test-slow: $(STAMP)  ## the slow tests: more kill points, the big sample data (two hours; a table in docs/results)
	@$(BIN)/python -m pytest -m slow --junitxml=.slow.xml; ended=$$?; \
	   $(BIN)/python scripts/slow_table.py .slow.xml && exit $$ended

lint: $(STAMP)  ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP)  ## ruff: fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.types/highstreet: $(STAMP) $(wildcard src/highstreet/*.py)
	@rm -rf .types && mkdir -p .types/highstreet
	@for room in $(ROOMS); do ln -s ../../$$room .types/highstreet/$$room; done
	@for file in src/highstreet/*; do ln -s ../../$$file .types/highstreet/; done

types: .types/highstreet  ## mypy --strict over every room and script, and that tests call what is there
	@MYPYPATH=.types $(BIN)/mypy --explicit-package-bases -p highstreet -p tests
	@MYPYPATH=.types:scripts $(BIN)/mypy --explicit-package-bases scripts/*.py

protos: $(STAMP)  ## regenerate the gRPC code
	@$(BIN)/python scripts/generate_protos.py

protos-check: $(STAMP)  ## fail when the committed gRPC code is not what the contracts give
	@$(BIN)/python scripts/generate_protos.py --check

wheel: $(STAMP)  ## build dist/highstreet-*.whl, what a shop or a coordinator installs
	@rm -rf build *.egg-info  # what an earlier build took in would be taken in again
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist . \
	   2> $(VENV)/wheel.log || { cat $(VENV)/wheel.log >&2; exit 1; }
	@rm -rf build && ls dist/*.whl

wheel-test: $(STAMP)  ## build the wheel, install it elsewhere, hold it against the checkout, run what it could break
	@scripts/wheel_test.sh $(abspath $(BIN)) $(SPREAD)

lab: $(STAMP)  ## the benchmark of docs/results over 108 stores (long; goes on where it stopped)
	@$(BIN)/highstreet lab replay --out docs/results

audit: $(STAMP)  ## attacks on the shipped training path; lower bounds on epsilon in docs/results (long)
	@$(BIN)/highstreet lab audit --out docs/results

bench: $(STAMP)  ## our secure sum and private step beside their peers; ratios in docs/results (long)
	@$(BIN)/highstreet lab bench secure-sum --out docs/results
	@OMP_WAIT_POLICY=passive $(BIN)/highstreet lab bench private-step --out docs/results

mutate: $(STAMP)  ## small wrong changes of what decides on consent and releases; the tests must notice (long)
	@$(BIN)/python scripts/mutate.py

soak: $(STAMP)  ## 100,000 steps of a store's life, whatever can happen in any order; a table in docs/results (long)
	@HIGHSTREET_SOAK_FOLDER=docs/results $(BIN)/python -m pytest -m slow -p no:cacheprovider tests/client/test_store_machine.py

clean:  ## remove what was built (not the co-ops under ~/.highstreet)
	@rm -rf $(VENV) .types build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
