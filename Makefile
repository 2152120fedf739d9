# Every command starts from nothing but Python 3.11 to 3.13: the environment is made when missing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation

.DEFAULT_GOAL := help
.PHONY: help install compile demo test unit chaos lint types format docs bench lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) compile  ## Make .venv from the locked requirements, and compile

$(STAMP): requirements/build.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit(f"algo-panda needs Python 3.11, 3.12 or 3.13, and {sys.executable} is {sys.version.split()[0]}: run make with PYTHON=python3.11")'
	@echo "making $(VENV) from requirements/dev.txt (some minutes the first time)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv does not work: install your system's package for it (Debian: python3-venv)" >&2; exit 1; }
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --editable .
	@touch $(STAMP)

compile: $(STAMP)  ## Compile what every tick goes through; without a C compiler it runs as it is
	@$(BIN)/python tools/compile.py

demo: $(STAMP)  ## See the whole system work, on a broker and a database of its own
	@$(BIN)/python tools/compile.py --remove-stale
	@$(BIN)/panda demo $(ARGS)

# All tests: two at a time, for most of them wait more than they compute (which ones take turns:
# tests/support/scheduling.py). With ARGS: one at a time, so that -s shows what they print.
# The fast ones run twice, for what is compiled has to do what its source does.
FAST := tests/unit tests/contracts -m "not broker and not docker"
test: $(STAMP) lint types  ## Everything: lint, types, unit tests, tests on a real broker, containers
ifndef ARGS
	@$(BIN)/python tools/compile.py --remove
	@$(BIN)/python -m pytest $(FAST) --numprocesses 2 --quiet
endif
	@$(BIN)/python tools/compile.py
	@$(BIN)/python -m pytest $(or $(ARGS),--numprocesses 2)

unit: $(STAMP)  ## The fast tests alone
	@$(BIN)/python tools/compile.py --remove-stale
	@$(BIN)/python -m pytest $(FAST) $(ARGS)

chaos: $(STAMP) compile  ## Kill workers and brokers while ticks flow: ARGS="--seeds 1,2 --faults 50"
	@$(BIN)/python -m tests.chaos.run $(ARGS)

lint: $(STAMP)  ## Style, and which way imports point
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(STAMP)  ## mypy --strict and pyright strict
	@$(BIN)/mypy
	@$(BIN)/pyright

format: $(STAMP)  ## Put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(STAMP)  ## Write the reference pages anew from the code
	@$(BIN)/python tools/generate_docs.py

bench: $(STAMP) compile  ## How fast it is, beside others (an hour; ARGS=--quick: minutes)
	@$(BIN)/python -m benchmarks $(ARGS)

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet
lock: $(STAMP)  ## Resolve pyproject.toml anew into requirements/
	$(LOCK) --upgrade pyproject.toml --extra train --group dev --group build -o requirements/dev.txt
	$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(LOCK) --group build -c requirements/dev.txt -o requirements/build.txt

clean:  ## Remove what make made
	find . -name '*.so' -not -path './$(VENV)/*' -delete
	rm -f .compiled
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
