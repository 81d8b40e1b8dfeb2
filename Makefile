# `make demo` and `make test` are the only set-up a newcomer needs: both make .venv from nothing.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SCALE  ?= 1m

.PHONY: help demo test check lowest bench soak clean
help:            ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "crantdb needs Python 3.11 or newer; this is $$($(PYTHON) -V). Say which: make test PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)   ## a generated brain, served, synced and queried; needs no token
	$(BIN)/crantdb demo

test: $(STAMP)   ## the tests
	$(BIN)/python -m pytest -q -n logical --dist loadfile -m 'not soak'

check: $(STAMP)  ## style, types, floors, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate crantdb tests
	$(BIN)/python -m pytest -q tests/docs/test_pages.py

lowest:          ## the tests with the oldest dependencies we support
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints-lowest.txt
	.venv-lowest/bin/python -m pytest -q -n logical --dist loadfile -m 'not soak'

bench: $(STAMP)  ## the measurements (SCALE=1m)
	$(BIN)/python -m benchmarks.sync --scale $(SCALE)
	$(BIN)/python -m benchmarks.synapses --scale $(SCALE)
	$(BIN)/python -m benchmarks.skeletons
	$(BIN)/python -m benchmarks.connectivity --scale $(SCALE)
	$(BIN)/python -m benchmarks.delta --scale $(SCALE)
	$(BIN)/python -m benchmarks.versions --scale $(SCALE)
	$(BIN)/python -m benchmarks.l2
	$(BIN)/python -m benchmarks.seatable

soak: $(STAMP)   ## the long kill and fault runs
	$(BIN)/python -m pytest -q -m soak -s

clean:           ## remove the environment and what tools left
	rm -rf $(VENV) .venv-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
