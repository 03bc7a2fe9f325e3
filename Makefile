# Every target sets up what it needs: `make demo` on a bare machine with Python 3.11 to 3.13 and git
# is enough. The environment is .venv/, what is made goes to out/; both are ignored by git.
#
# Variables: PYTHON       the Python to build .venv with (default: the first fitting one on PATH)
#            TORCH_INDEX  the package index to take torch from (default: pip's own)

.DEFAULT_GOAL := help
.PHONY: help demo test test-browser-full lint lab book book-seeds bench bench-quick clean chromium

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& command -v $$p && break; done)
QUIET := $(shell test -t 2 || echo --quiet)

# A stamp is named for what was installed and from which lists, so a second `make` has nothing to do
# and a changed pyproject.toml or constraints.txt is installed once.
SUM := $(shell (pwd; cat pyproject.toml constraints.txt) | cksum | cut -d ' ' -f 1)
WIDGETS := $(VENV)/.stamp-widgets-$(SUM)
DEV := $(VENV)/.stamp-dev-$(SUM)

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' Makefile

demo: $(WIDGETS)  ## curate a sample from end to end and write the report to out/demo/
	$(VENV)/bin/curalab demo

test: $(DEV) chromium lint book  ## all checks: ruff, mypy, unit tests, doctests, notebooks, browser
	$(PY) -m pytest --durations=10

test-browser-full: $(DEV) chromium  ## every path of every panel in a real browser (long)
	$(PY) -m pytest --durations=10 -m "full or not full" tests/browser

lint: $(DEV)  ## ruff and mypy only
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

lab: $(WIDGETS)  ## open JupyterLab on the notebooks
	$(PY) -m jupyterlab notebooks

book: $(DEV)  ## run the lessons and make the course's site, out/book/html/index.html
	$(PY) notebooks/build.py --out out/book

book-seeds: $(DEV)  ## run every lesson for five students, each with other planted truth (long)
	$(PY) notebooks/build.py --out out/book --seeds 5

bench: $(DEV)  ## run the benchmarks (long; the sizes up to a million rows)
	$(PY) tests/bench/run.py

bench-quick: $(DEV)  ## every stage at 5,000 rows beside one peer, against the last recorded times
	$(PY) tests/bench/run.py --quick --check

clean:  ## remove what was made; .venv stays (rm -r .venv removes it)
	rm -rf out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find toolkit widgets tests notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

$(PY):
	@test -n "$(PYTHON)" || { echo "curalab needs Python 3.11, 3.12 or 3.13, and there is none on \
	PATH. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making $(VENV) with $(PYTHON) ($$($(PYTHON) --version))."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is incomplete here \
	(on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }

# The first line is a probe: two small packages, no retries. Then torch, alone and without what it
# needs (TORCH_INDEX may not hold that); whatever asks for torch later finds it there.
$(VENV)/.stamp-%-$(SUM): | $(PY)
	@probe=$$(mktemp -d); trap 'rm -rf "$$probe"' EXIT; \
	$(PIP) download --quiet --no-deps --retries 0 --timeout 5 --dest "$$probe" cleanlab hatchling \
	|| { printf '%s\n' 'pip cannot fetch packages: is there a network? The first installation needs' \
	'one, or a folder with all the wheels, those of hatchling and editables too:' \
	'    PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/wheels make $(MAKECMDGOALS)' >&2; exit 1; }
	@case $* in dev) size='0.7 GB to download, 2.7 GB on disk';; \
	*) size='0.5 GB to download, 2.1 GB on disk';; esac; \
	echo "Installing curalab[$*] into $(VENV), once: at most $$size, some minutes."
	@test -n "$(TORCH_INDEX)" || test "$$(uname -s)" != Linux || $(PIP) --quiet show torch 2>/dev/null \
	|| printf '%s\n' "If pip's index offers torch's CUDA build only, it is 2 to 3 GB more. Without it:" \
	'    make $(MAKECMDGOALS) TORCH_INDEX=https://download.pytorch.org/whl/cpu'
	$(PIP) install $(QUIET) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) \
		-c constraints.txt --no-deps torch
	$(PIP) install $(QUIET) -c constraints.txt -e '.[$*]'
	@rm -f $(VENV)/.stamp-*
	@touch $@ $(WIDGETS)

# The browser tests drive the system's Chromium (or Chrome, or the one named in CHROMIUM).
chromium: $(DEV)
	@cd tests && ../$(PY) -c 'import sys; from browser.server import find_chromium; \
	sys.exit(not find_chromium())' && exit; \
	root='env DEBIAN_FRONTEND=noninteractive'; test "$$(id -u)" = 0 || root="sudo -n $$root"; \
	if command -v apt-get >/dev/null && $$root true 2>/dev/null; then \
	echo 'Installing Chromium for the browser tests (about 0.1 GB).'; \
	$$root apt-get -qq update && $$root apt-get -qq install -y chromium >/dev/null && exit; fi; \
	echo 'No Chromium or Chrome: the browser tests will be skipped. Install one with your system,' \
	'or name the one there is: make test CHROMIUM=/path/to/chrome' >&2
