# The two commands are `make run` and `make test`; each sets up a fresh machine by itself.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV       ?= .venv
PYTHON     ?= python3
BIN        := $(VENV)/bin
READY      := $(VENV)/.ready
UV         := $(shell command -v uv 2>/dev/null || echo $(VENV)-tools/bin/uv)
# What `make test` hands to pytest: make test ARGS="tests/rules -k capacity"
ARGS       ?=
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard translations/*/LC_MESSAGES/*.po))
COMPILE    := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate $(ARGS)

export PYTHON VENV
# Python keeps what it has compiled: a fifth of the tests' time went into compiling the same
# packages in each of a hundred processes, where the environment said that it must not.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test lint bench format lock migrate i18n clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp is newer than everything that says what the environment holds.
$(READY): pyproject.toml requirements.lock tools/build.lock tools/uv.lock tools/bootstrap.sh
	@sh tools/bootstrap.sh
	@touch $@

translations/%.mo: translations/%.po | $(READY)
	@$(BIN)/pybabel -q compile -i $< -o $@

run: $(READY) $(CATALOGUES) ## start Kaowu with demo data on http://127.0.0.1:5000/ (PORT=...)
	@sh tools/system_packages.sh run
	@exec $(BIN)/python run.py

test: $(READY) $(CATALOGUES) ## all tests, on SQLite and PostgreSQL, with browser (ARGS=...)
	@sh tools/system_packages.sh test
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(READY) ## style, types, layers and the project's own rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.lint

bench: $(READY) ## the figures of the quality bars
	$(BIN)/python -m bench $(ARGS)

format: $(READY) ## put the code into the common form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: $(READY) ## pin the dependencies (newer ones: ARGS=--upgrade)
	$(UV) $(COMPILE) --group dev --all-extras pyproject.toml -o requirements.lock
	$(UV) $(COMPILE) --all-extras pyproject.toml -c requirements.lock -o deploy/requirements.lock
	echo hatchling | $(UV) $(COMPILE) - -c requirements.lock -o tools/build.lock
	grep -o '^uv==[0-9.]*' tools/uv.lock | $(UV) $(COMPILE) - -o tools/uv.lock

migrate: $(READY) ## bring the database of DATABASE_URL up to date
	$(BIN)/kaowu db upgrade

i18n: $(READY) ## collect the texts anew and compile the catalogues
	@mkdir -p translations
	$(BIN)/pybabel -q extract -F babel.cfg -k N_ -k lazy_gettext -o translations/messages.pot --no-location --sort-output .
	$(BIN)/pybabel update -i translations/messages.pot -d translations -l en --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
	$(BIN)/pybabel compile -d translations --statistics

clean: ## remove the environments and all caches; instance/ stays
	rm -rf $(VENV) $(VENV)-tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './node_modules/*' -prune -exec rm -rf {} +
