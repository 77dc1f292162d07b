# Needs Python >= 3.11 and make; everything else goes into .venv. `make demo PYTHON=python3.13` takes another Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?=
TEST_ARGS ?= -n auto --maxprocesses 8

.PHONY: help demo test test-all lint format bench clean

help:
	@echo "make demo     train on Fashion-MNIST; the results go to runs/"
	@echo "make test     run the tests against PyTorch (a large download the first time)"
	@echo "make test-all the long tail too"
	@echo "make lint     check style and types"
	@echo "make format   mend style"
	@echo "make bench    time alight beside PyTorch and JAX; writes docs/performance.md"
	@echo "make clean    remove .venv"

demo: $(VENV)/train.stamp
	$(BIN)/alight train fashion-mnist $(DEMO_ARGS)

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -m "not slow" $(TEST_ARGS)

test-all: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(TEST_ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m alight.ops.stubs

bench: $(VENV)/bench.stamp
	$(BIN)/alight bench recorder
	ALIGHT_CACHE_DIR=$$(mktemp -d) $(BIN)/alight bench --json > bench.json
	$(BIN)/python -m bench.report bench.json

clean:
	rm -rf $(VENV)

$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "alight needs Python 3.11 or newer; try: make PYTHON=python3.13 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "python3 -m venv failed; Debian and Ubuntu keep it in the package python3-venv"; exit 1; }
	@touch $@

# One rule for each extra: train.stamp, test.stamp. A second call finds the stamp and does nothing.
$(VENV)/%.stamp: pyproject.toml | $(VENV)/made.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
