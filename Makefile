# Each target sets up all it needs: `make demo` runs the main job, `make test` the checks and the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test quick check clean

demo: $(READY)
	$(BIN)/mlubench run toy --out runs/toy

test: check
	$(BIN)/python -m pytest

# Leaves out the slow whole runs.
quick: $(READY)
	$(BIN)/python -m pytest -m "not slow"

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_house.py

# torch is named first and exactly, so that pip takes the same build here as the project was tested with.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) runs .mlubench-test-cache
