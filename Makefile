# Every command starts from nothing but Python 3.11 to 3.13: it installs what is missing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := $(VENV)/.installed
DEMO_PACKAGES := $(VENV)/.installed-for-demo

.DEFAULT_GOAL := help
.PHONY: help install compile demo test unit chaos mutants lint types format docs bench lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(PACKAGES) compile  ## Make .venv from the locked requirements, and compile

$(PACKAGES): requirements/build.txt requirements/dev.txt pyproject.toml
	@echo "installing the packages of requirements/dev.txt (a minute or two the first time)"
	@tools/install-packages $(VENV) $(PYTHON) requirements/dev.txt
	-@$(BIN)/panda dev prepare >/dev/null  # nothing depends on it
	@touch $(PACKAGES) $(DEMO_PACKAGES)

# A subset: no tests, no compiler, no reports. requirements/dev.txt includes these.
$(DEMO_PACKAGES): requirements/build.txt requirements/demo.txt pyproject.toml
	@echo "installing the packages of requirements/demo.txt (up to a minute the first time)"
	@tools/install-packages $(VENV) $(PYTHON) requirements/demo.txt
	-@$(BIN)/panda dev prepare >/dev/null
	@touch $@

compile: $(PACKAGES)  ## Compile the modules that every tick passes through, if there is a C compiler
	@$(BIN)/python tools/compile.py

demo: $(DEMO_PACKAGES)  ## See the whole system work, on a broker and a database of its own
	@$(BIN)/panda demo $(ARGS)

# All tests: two at a time, because most of them wait (which ones take turns:
# tests/support/scheduling.py). With ARGS: one at a time, so that -s shows what they print.
# The fast ones run twice: compiled code must do what its source does. Between the two, a few faults
# are applied that the fast ones must find; make mutants applies all.
FAST := tests/unit tests/contracts tests/golden -m "not broker and not docker"
test: $(PACKAGES) lint types  ## Everything: lint, types, unit tests, tests on a real broker, containers
ifndef ARGS
	@$(BIN)/python tools/compile.py --remove
	@$(BIN)/python -m pytest $(FAST) --numprocesses 2 --quiet
	@if [ -e .git ]; then $(BIN)/python -m tests.mutants.run --sample --without-baseline; \
	  else echo "this is no git checkout: the mutants are skipped"; fi
endif
	@$(BIN)/python tools/compile.py
	@$(BIN)/python -m pytest $(or $(ARGS),--numprocesses 2)

unit: $(PACKAGES)  ## The fast tests alone
	@$(BIN)/python -m pytest $(FAST) $(ARGS)

chaos: $(PACKAGES) compile  ## Kill workers and brokers while ticks flow: ARGS="--seeds 1,2 --faults 50"
	@$(BIN)/python -m tests.chaos.run $(ARGS)

mutants: $(PACKAGES)  ## Apply small faults one by one, each of which the tests must find: ARGS="--only NAME"
	@$(BIN)/python -m tests.mutants.run $(ARGS)

lint: $(PACKAGES)  ## Check style, and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(PACKAGES)  ## mypy --strict and pyright strict
	@$(BIN)/mypy
	@$(BIN)/pyright

format: $(PACKAGES)  ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(PACKAGES)  ## Generate the reference pages from the code
	@$(BIN)/python tools/generate_docs.py

bench: $(PACKAGES) compile  ## Measure speed, also of other programs (an hour; ARGS=--quick: minutes)
	@$(BIN)/python -m benchmarks $(ARGS)

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet
lock: $(PACKAGES)  ## Resolve pyproject.toml anew into requirements/
	$(LOCK) --upgrade pyproject.toml --extra all --group dev --group compile -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra postgres --extra report -c requirements/dev.txt -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra dev-broker -c requirements/dev.txt -o requirements/demo.txt
	$(LOCK) --group build -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) --group compile -c requirements/dev.txt -o requirements/compile.txt
	$(LOCK) --group uv -c requirements/dev.txt -o requirements/uv.txt

clean:  ## Remove generated files
	find . -name '*.so' -not -path './$(VENV)/*' -delete
	rm -f app/algo_panda/_compiled.json
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
