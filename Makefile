# `make demo` and `make test` do all the set-up themselves; `make help` lists the rest.
PYTHON   ?=
VENV     ?= .venv
SCENARIO ?= scenarios/hcc_adjuvant_cik_rct.yaml
RESULT   ?= results/demo-$(basename $(notdir $(SCENARIO))).h5
WORKERS  ?= 2
TIER     ?= not slow and not medium
ARGS     ?=

BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check install --quiet
OLDEST := 3.11

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test slow lint format types imports docs bench lock install dev clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## install into .venv, then run SCENARIO (the adjuvant CIK trial)
	@mkdir -p $(dir $(RESULT))
	$(BIN)/tumorsim run $(SCENARIO) --out $(RESULT) --force

test: $(VENV)/.installed-dev  ## install into .venv, then the fast tests
	$(BIN)/python -m pytest -m "$(TIER)" -n $(WORKERS) --dist loadfile -q

slow: $(VENV)/.installed-dev  ## the slow tests as well
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -q

lint: $(VENV)/.installed-dev  ## ruff, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=src $(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## let ruff lay the code out
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

types: $(VENV)/.installed-dev  ## mypy, strict
	$(BIN)/mypy

docs: $(VENV)/.installed-docs  ## HTML documentation in docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.installed-dev  ## the benchmark suite; ARGS="--quick --only fields" (benchmarks/README.md says how to read it)
	$(BIN)/python -m benchmarks $(ARGS)

install: $(VENV)/.installed  ## only install into .venv

dev: $(VENV)/.installed-dev  ## install with the tools for tests, lint and types

lock:  ## write uv.lock anew (needs uv)
	uv lock --upgrade

clean:  ## remove caches and built files; .venv and results stay
	rm -rf build dist docs/_build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .coverage
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

# A candidate is run, not only found: a version manager's shim may stand in the path and refuse.
$(VENV)/.made:
	@found=""; \
	for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(OLDEST)".split("."))))' >/dev/null 2>&1; \
	  then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "tumorsim needs Python $(OLDEST) or later, and none was found." >&2; \
	  echo "Install one, or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv "$(VENV)" || { \
	  echo "Python could not make a virtual environment (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@touch $@

# One stamp an extra, so that a second call installs nothing.
$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "Installing tumorsim into $(VENV) (once, a minute or two)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml
	@echo "Installing tumorsim and its development tools into $(VENV) (once, a minute or two)"
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-docs: $(VENV)/.made pyproject.toml
	@echo "Installing tumorsim and its documentation tools into $(VENV) (once, a minute or two)"
	@$(PIP) --editable '.[docs]'
	@touch $(VENV)/.installed $@
