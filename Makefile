# Each target sets up all it needs: `make demo` and `make real` run the main job, `make test` the
# checks and the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Processes that run tests, each with one thread. `make test WORKERS=0` runs all in one process.
WORKERS ?= 2
# The tests of a file stay in one process, since they share what the file makes.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo real test quick check wheel clean

demo: $(READY)
	$(BIN)/mlubench run toy --out runs/toy

# Pretrained parts, photographs and true facts. The parts are fetched once.
real: $(READY)
	$(BIN)/mlubench parts fetch
	$(BIN)/mlubench run real --out runs/real

# The checks come first, so the tests leave out what they have just run.
test: check
	$(PYTEST) --deselect tests/test_collection.py::test_every_test_on_disk_is_collected

# Leaves out the slow whole runs.
quick: $(READY)
	$(PYTEST) -m "not slow"

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_house.py tests/test_collection.py

# What `pip install mlubench` gives a user: a wheel in an environment of its own makes the smoke run, away from the source.
wheel: $(READY)
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
	build/wheel/venv/bin/pip install --quiet --disable-pip-version-check build/wheel/mlubench-*.whl
	cd build/wheel && MLUBENCH_CACHE="$(CURDIR)/.mlubench-test-cache" venv/bin/mlubench run smoke --out run
	cd build/wheel && venv/bin/mlubench status run

# torch is named first and exactly, so that pip takes the same build here as the project was tested with.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) runs build .mlubench-test-cache
