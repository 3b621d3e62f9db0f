# Two commands: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
  BIN := $(VENV)/Scripts
else
  BIN := $(VENV)/bin
endif
PY := $(BIN)/python
# Many tests wait for a limit to be reached: four at once even on two cores. Which tests stay in one
# process, and in which order they start, tests/conftest.py says.
TOGETHER := -n 4 --dist loadscope --no-loadscope-reorder

.PHONY: demo test check translations starters format help setup clean

help:
	@echo "make demo    grade sample submissions and write HTML reports (demo/)"
	@echo "make test    run all tests"
	@echo "make check   ruff, mypy, import-linter and the fast tests"
	@echo "make starters  student_template/ from reference_solutions/"
	@echo "make clean   remove .venv and demo/"

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1). Install a newer one"; \
	  echo "(https://www.python.org/downloads) and name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@command -v bwrap >/dev/null || { [ "$$(uname)" = Linux ] && { \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing bubblewrap ..." && \
	    { apt-get install -y -qq --no-install-recommends bubblewrap >/dev/null 2>&1 || \
	      { apt-get update -qq && apt-get install -y -qq --no-install-recommends bubblewrap >/dev/null; } 2>/dev/null; }; } || \
	  echo "bubblewrap is not here: submissions will be confined at level B (apt install bubblewrap gives A)"; }; } || true
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (once; torch is large, this takes a minute or more) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' || { \
	  echo "Installing failed, see above. Without network: put the wheels into a folder and run"; \
	  echo "PIP_FIND_LINKS=FOLDER make $(MAKECMDGOALS)"; exit 1; }
	@touch $@

demo: setup
	@$(PY) -m grader demo --out demo

test: setup
	@$(PY) -m pytest $(TOGETHER)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(PY) -m pytest -q -m "not slow" $(TOGETHER)

translations: setup
	@$(PY) -m grader translations

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

starters: setup
	@$(PY) -m grader.release.starters

clean:
	rm -rf $(VENV) demo
