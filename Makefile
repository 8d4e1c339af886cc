# make run               reads the sample documents (INBOX=path: yours) into pagemill.db
# make test              every check: format, lint, types, import rules, tests
# make check             the same without the tests

PYTHON ?= python3
VENV ?= .venv
INBOX ?= tests/data/inbox
JOBS ?= 0

BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check clean

run: $(VENV)/.installed
	$(BIN)/pagemill run "$(INBOX)" $(if $(filter-out 0,$(JOBS)),-j $(JOBS))

test: check
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The stamps are newer than what they were made from, so a changed dependency installs again.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet -c constraints.txt -e '.[torch,dev]'
	touch $@ $(VENV)/.installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .pagemill pagemill.db pagemill.db-shm pagemill.db-wal
