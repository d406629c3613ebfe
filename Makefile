# Everything is made under .venv and labextension/node_modules; stamps in .venv make repeated runs quick.
#   PYTHON   the interpreter .venv is made with (default: the first python3 >= 3.10 found)
#   ARGS     for `make demo`:  make demo ARGS="--no-browser --port 8899"
#            for `make bench`: make bench ARGS=--quick
#   SOAK_SECONDS  for `make soak`:  make soak SOAK_SECONDS=60
#   PYTEST   further options of pytest:  make test-fast PYTEST="-k layout -x"

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
NODE_MODULES := labextension/node_modules/.package-lock.json
HUB_PROXY := tests/process/hub/node_modules/.package-lock.json
FRONTEND := $(shell find labextension -maxdepth 1 -type f) \
            $(shell find labextension/src labextension/style labextension/schema)
NPM := npm --prefix labextension --silent
PIP := $(BIN)/python -m pip install --quiet

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NPM_CONFIG_UPDATE_NOTIFIER := false

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- what people run -------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.demo $(VENV)/.frontend ## JupyterLab on an embedded S3 server with sample data; ARGS="..." for its options
	@exec $(BIN)/jupyter wherobots demo $(ARGS)

.PHONY: test
test: $(VENV)/.test $(VENV)/.frontend $(HUB_PROXY) system-packages ## Every test but the long ones: TypeScript, Python, real processes, a real browser
	$(NPM) run test
	$(if $(PYTEST),,$(BIN)/python -m pytest -n auto -m "not process and not browser and not long")
	$(if $(PYTEST),,$(BIN)/python -m pytest -n auto --dist loadfile -m "process and not browser and not long")
	$(BIN)/python -m pytest -m "$(if $(PYTEST),,browser and )not long" $(PYTEST)

.PHONY: test-fast
test-fast: $(VENV)/.test $(VENV)/.frontend ## The tests without processes and browser, for the edit loop
	$(NPM) run test
	$(BIN)/python -m pytest -n auto -m "not process and not browser and not slow and not long" $(PYTEST)

.PHONY: test-long
test-long: $(VENV)/.test $(VENV)/.frontend $(HUB_PROXY) system-packages ## The proofs that take many minutes or gigabytes
	$(BIN)/python -m pytest -m long $(PYTEST)

.PHONY: soak
soak: $(VENV)/.test ## Ten minutes of work in a home while S3 fails and the mirror is killed; SOAK_SECONDS=60 for another time
	WHEROBOTS_SOAK_SECONDS=$(or $(SOAK_SECONDS),600) $(BIN)/python -m pytest -s -m long tests/soak $(PYTEST)

# Written only when everything is measured in full.
.PHONY: bench
bench: $(VENV)/.test ## Ours beside s5cmd, rclone and the AWS CLI: an hour, writes docs/benchmarks.md; ARGS=--quick for minutes
	$(BIN)/python -m benchmarks --work /dev/shm $(or $(ARGS),--write docs/benchmarks.md)

.PHONY: lint
lint: $(VENV)/.dev $(NODE_MODULES) ## ruff, mypy, eslint, prettier and tsc; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy jupyter_wherobots tests benchmarks hatch_build.py
	$(NPM) run lint
	$(NPM) run format:check
	$(NPM) run check

.PHONY: format
format: $(VENV)/.dev $(NODE_MODULES) ## Format everything in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NPM) run format

.PHONY: install
install: $(VENV)/.dev $(VENV)/.frontend ## An editable install in .venv with all that development needs

.PHONY: dist
dist: $(VENV)/.dev $(NODE_MODULES) ## Build the sdist and the wheel into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -t sdist -t wheel

.PHONY: clean
clean: ## Remove what was built; .venv and node_modules stay
	rm -rf dist jupyter_wherobots/labextension labextension/lib $(STAMPS)
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find jupyter_wherobots tests -name __pycache__ -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove .venv and node_modules too
	rm -rf $(VENV) labextension/node_modules tests/process/hub/node_modules

# --- how it is made --------------------------------------------------------------------------------------------------

STAMPS := $(VENV)/.demo $(VENV)/.test $(VENV)/.dev $(VENV)/.frontend

$(BIN)/python:
	@PYTHON="$(PYTHON)" .ci/make-venv $(VENV)

$(NODE_MODULES): labextension/package.json labextension/package-lock.json labextension/.npmrc
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || \
	  { echo "error: Node >= 20 with npm is needed on the PATH (found: $$(node --version 2>/dev/null || echo none))" >&2; exit 1; }
	npm --prefix labextension ci --ignore-scripts --no-audit --no-fund
	@touch $@

# The proxy in front of the JupyterHub of the tests.
$(HUB_PROXY): tests/process/hub/package.json tests/process/hub/package-lock.json tests/process/hub/.npmrc | $(NODE_MODULES)
	npm --prefix tests/process/hub ci --ignore-scripts --no-audit --no-fund
	@touch $@

# The build tools come first, so that the editable install needs no isolated environment and, later, no network.
$(VENV)/.demo $(VENV)/.test $(VENV)/.dev: pyproject.toml hatch_build.py $(NODE_MODULES) | $(BIN)/python
	$(PIP) "hatchling>=1.27" editables
	$(PIP) --no-build-isolation --editable ".[$(EXTRAS)]"
	@touch $(foreach extra,$(subst $(comma), ,$(EXTRAS)),$(VENV)/.$(extra))
$(VENV)/.demo: EXTRAS := demo
$(VENV)/.test: EXTRAS := demo,test
$(VENV)/.dev: EXTRAS := demo,test,dev
comma := ,

# Installing again is what brings a rebuilt frontend into the environment; the build hook knows whether to build.
$(VENV)/.frontend: $(FRONTEND) install.json $(wildcard jupyter-config/*/*) hatch_build.py $(NODE_MODULES)
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# What the tests drive, from Debian: they are never skipped for the lack of it.
.PHONY: system-packages
system-packages:
	@.ci/system-packages
