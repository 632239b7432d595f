# The commands of README and CONTRIBUTING. Each makes its own virtual environment; nothing outside this folder is
# touched but the cache of fetched weights and photographs (FERBENCH_CACHE, else the platform's cache folder).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# FER2013 may not be redistributed; tests that need it skip without it.
ifneq ($(wildcard ../shared/data/fer2013-validation.parquet),)
export FERBENCH_FER2013 ?= $(abspath ../shared/data)
endif

.PHONY: demo check test fast lint bench constraints clean

# The tests run with versions that were run before; `make test CONSTRAINTS=` takes the newest.
CONSTRAINTS ?= constraints/tested.txt

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(BIN)/.installed: setup.cfg setup.py pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(BIN)/.installed-test: setup.cfg setup.py pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS:%=-c %) -e ".[test]"
	@touch $@

demo: $(BIN)/.installed
	$(BIN)/ferbench run --models all --attacks pgd,cw

test: $(BIN)/.installed-test lint
	$(BIN)/python -m pytest

# Before a commit: lint and the tests that are fast and need no network and no FER2013, on every core.
check: lint fast

FAST := not slow and not network and not fer2013

fast: $(BIN)/.installed-test
	$(BIN)/python -m pytest -n auto -q -m "$(FAST)"

lint: $(BIN)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(BIN)/.installed-test
	$(BIN)/python benchmarks/forward_rows.py

# constraints/tested.txt again, from what is installed; `make test CONSTRAINTS=` passed before, with the newest.
constraints:
	$(BIN)/python constraints/renew.py

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
