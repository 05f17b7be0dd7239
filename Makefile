# The two commands of the README (`make run`, `make test`) and their helpers. Set-up is made once: the stamps lie in
# .venv and are older than what they depend on only after a change, so a later run needs no network.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/toyshop
WORKERS ?= 2
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1
export JUPYTER_PREFER_ENV_PATH := 1
unexport PYTHONPATH PYTHONHOME

.PHONY: help run test lab lint lock clean
help:            ## what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/ -/'

run: $(VENV)/.run           ## the five notebooks on the built-in shop: prints a table, ends with the page's path
	$(BIN)/recsys-kit run --out $(OUT)

test: $(VENV)/.test         ## all tests (TESTS="-m 'not slow'" for the quick ones, WORKERS=0 for one process)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(TESTS)

lab: $(VENV)/.run           ## JupyterLab on the notebooks (LAB="--allow-root --no-browser" in a container)
	$(BIN)/recsys-kit lab -- $(LAB)

lint: $(VENV)/.test         ## style, types, layers of the package, spelling, notebooks without outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/mypy
	find notebooks tests/notebooks -name '*.ipynb' -not -path '*/.ipynb_checkpoints/*' -exec $(BIN)/nbstripout --keep-id --verify {} +

lock: $(VENV)/.made         ## constraints.txt anew, from what the package index has today
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --allow-unsafe --strip-extras --no-annotate --no-header --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --no-emit-options --extra test --output-file $(VENV)/lock.txt pyproject.toml
	{ head -n 1 constraints.txt; sed -e 's/+[a-z0-9.]*$$//' -e '/^#/d' -e '/^$$/d' $(VENV)/lock.txt | LC_ALL=C sort; } > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

clean:           ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache .mypy_cache

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; pass PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# The build backend comes from the lock as well, so that no isolated build asks the network for it.
$(VENV)/.run: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing the locked dependencies into $(VENV): once, a few minutes."
	$(INSTALL) setuptools
	$(INSTALL) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.run
	$(INSTALL) --editable ".[test]"
	touch $@
