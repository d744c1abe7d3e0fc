# Everything that a developer runs. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The interpreter that makes .venv: PYTHON=... or the first of these that runs and is 3.11 or newer.
PYTHON ?=
CANDIDATES := python3.11 python3 python3.12 python3.13

# uv must work on this environment, whichever one the shell has activated.
UV := .venv/bin/uv
UV_PIP_INSTALL := --python .venv/bin/python
export UV_HTTP_TIMEOUT ?= 180
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME

COMPILE := $(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	$(if $(UPGRADE),--upgrade)

.PHONY: help env test e2e whole faults modes sweeps records clustered lint check format lock audit demo cluster bench clean

# One optimisation switched off, and the tests on whose path it lies. Not among them: all eight combinations of the three
# are compared, question by question, in tests/store/test_same_answers.py, and sweeps over every failure and every kill
# take longest and depend on them least, nor PostgreSQL, which holds the same rows as SQLite; `make test` runs all of them.
MODES := exact approximate cache
PROCESSES ?= 2
MODES_LEFT_OUT := not killed and not every_call and not at_once and not s3 and not object_storage and not same_answers and not postgresql

# Known content is written again: what is shared, deleted, moved, rebuilt, healed and taken over is another copy.
# Left out: what decides about facts, rows or memory alone, whatever is stored how often.
exact_setting := MISTIQUE_EXACT_DEDUP=false
exact_tests := tests/store tests/unit/engine
exact_left_out := compact_plan or identity or partial_reads or point_reader or recent_columns or column_memo

# No chunk is a difference to another one: what is written, deleted, moved and rebuilt has no base.
# Left out: as above.
approximate_setting := MISTIQUE_APPROXIMATE_DEDUP=false
approximate_tests := tests/store
approximate_left_out := compact_plan or identity or partial_reads

# Nothing is remembered between two questions or two writes: whatever is asked comes from the files.
# Left out: maintenance, which never asks the cache, and what tests a cache by itself.
cache_setting := MISTIQUE_CACHE_BYTES=0
cache_tests := tests/store tests/unit/engine tests/unit/diagnostics
cache_left_out := test_compact or test_gc or test_check or test_rebuild or identity or recent_columns or column_memo

help: ## Show this list
	@echo "make TARGET [VARIABLE=value], where TARGET is one of"
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 12

env: .venv/.installed ## Make .venv with exactly the locked packages (PYTHON=python3.12 chooses the interpreter)

.venv/.installed: requirements.lock requirements-bootstrap.lock pyproject.toml setup.py $(wildcard mistique_core/native/_*.[ch])
	@python=""; \
	for candidate in $(or $(PYTHON),$(CANDIDATES)); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			python="$$candidate"; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer was not found (tried: $(or $(PYTHON),$(CANDIDATES)))." >&2; \
		echo "Install it, on Debian with: apt-get install python3.11 python3.11-venv" >&2; \
		echo "or name one: make env PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	echo "[1/4] .venv: a virtual environment of $$("$$python" --version)"; \
	if ! { [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1; }; then \
		"$$python" -m venv --clear .venv || { \
			echo "venv is missing; on Debian: apt-get install $$(basename "$$python")-venv" >&2; exit 1; }; \
	fi
	@echo "[2/4] uv, which installs the rest"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@echo "[3/4] the $$(grep -c '^[a-z0-9].*==' requirements.lock) packages of requirements.lock"
	@$(UV) pip sync $(UV_PIP_INSTALL) requirements.lock
	@echo "[4/4] this project, editable"
	@$(UV) pip install $(UV_PIP_INSTALL) --quiet --no-deps --no-build-isolation --editable .
	@touch .venv/.installed

test: env ## Run the tests that need neither a running Airflow nor a browser (ARGS="-m 'not airflow' -x" narrows them)
	@.venv/bin/python -m pytest $(ARGS)

# What CORE=1 leaves of them: what is logged is what is got, whole and in part, read and re-run.
MODES_CORE := test_log_and_get or test_pipeline or test_units or test_some_rows or test_rerun_rows or test_stage_inputs or test_sessions

modes: env $(MODES:%=mode-%) ## Run the store's tests with each optimisation switched off: the answers must be the same (CORE=1: the core)

mode-%: env
	@echo "== the store's tests with $($*_setting)"
	@env $($*_setting) .venv/bin/python -m pytest -q -n $(PROCESSES) $($*_tests) \
		-k "$(MODES_LEFT_OUT) and not ($($*_left_out))$(if $(CORE), and ($(MODES_CORE)))" $(ARGS)

e2e: env ## Run the tests, and those in a running Airflow, on a cluster and in a browser, as CI does (20 minutes)
	@MISTIQUE_TESTS=e2e .venv/bin/python -m pytest $(ARGS)

whole: env ## Run every test but those of faults on a cluster: each on both databases, each page with all data (30 minutes)
	@MISTIQUE_TESTS=every .venv/bin/python -m pytest --ignore tests/cluster_faults $(ARGS)

faults: env ## Kill the processes of a cluster and break its network while it works: nothing may be lost (10 minutes)
	@.venv/bin/python -m pytest -n 0 tests/cluster_faults $(ARGS)

sweeps: env ## Try every point at which a call may fail or a process be killed; make test tries a fifth of them (15 minutes)
	@MISTIQUE_EVERY_POINT=true .venv/bin/python -m pytest -n $(PROCESSES) tests/faults tests/concurrency/test_races.py \
		tests/store/test_gc.py tests/store/test_compact.py tests/store/test_check.py tests/store/test_same_answers.py $(ARGS)

records: env ## Run all example DAGs in a real Airflow: records must be what its REST API says, and pages show them (20 minutes)
	@MISTIQUE_EVERY_DAG=true .venv/bin/python -m pytest -n 0 tests/integration/test_modeldb_records.py \
		tests/integration/test_every_page.py $(ARGS)

clustered: env ## Run the integration tests on what make cluster starts: PostgreSQL, S3, Celery workers (12 minutes)
	@MISTIQUE_ON_A_CLUSTER=true .venv/bin/python -m pytest -n 0 tests/integration $(ARGS)

lint: env ## Run the static checks: ruff, mypy, import-linter
	@echo "[lint 1/4] ruff check"
	@.venv/bin/ruff check .
	@echo "[lint 2/4] ruff format --check"
	@.venv/bin/ruff format --check .
	@echo "[lint 3/4] mypy --strict"
	@.venv/bin/python -m mypy
	@echo "[lint 4/4] import-linter: the layers"
	@.venv/bin/lint-imports

check: lint test ## Everything that must pass before a commit: lint, then test

format: env ## Let ruff format the code and fix what it can
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

lock: env ## Write the lock files anew after a change of dependencies (UPGRADE=1 takes newer versions)
	@echo "[1/3] requirements.lock"
	@$(COMPILE) --extra airflow --extra dnn --extra trad --extra search --extra ui --extra postgres --extra s3 --extra celery \
		--extra arrow --extra sql --extra completion --extra spark --extra openlineage --extra bench --extra dev \
		pyproject.toml --output-file requirements.lock
	@echo "[2/3] docker/requirements.lock, with the same versions"
	@$(COMPILE) --no-annotate --extra airflow --extra dnn --extra trad --extra search --extra ui --extra postgres --extra s3 --extra celery \
		--constraint requirements.lock pyproject.toml --output-file docker/requirements.lock
	@echo "[3/3] requirements-bootstrap.lock"
	@echo uv | $(COMPILE) --no-annotate --constraint requirements.lock - --output-file requirements-bootstrap.lock

audit: env ## Look up known vulnerabilities of the locked packages; fails where that cannot be done
	@$(UV) tool run pip-audit --strict --disable-pip --require-hashes -r requirements.lock

demo: env ## Start Airflow with the example DAGs and open the store (PORT=8080; EXIT=1 stops after the proof)
	@.venv/bin/mistique demo $(if $(EXIT),--exit) $(if $(PORT),--port $(PORT))

cluster: env ## Start PostgreSQL, Redis, S3 and Airflow with WORKERS=2 workers on this machine (PORT=8080; EXIT=1 stops after a proof)
	@.venv/bin/mistique cluster $(if $(EXIT),--exit) $(if $(PORT),--port $(PORT)) $(if $(WORKERS),--workers $(WORKERS))

bench: env ## Run every benchmark, --quick unless FULL=1; results go to build/benchmarks
	@mkdir -p build/benchmarks; \
	for file in $$(grep -l '__main__' benchmarks/*.py); do \
		name="$$(basename "$$file" .py)"; \
		echo "== benchmarks.$$name"; \
		.venv/bin/python -m "benchmarks.$$name" $(if $(FULL),,--quick) --json "build/benchmarks/$$name.json"; \
	done

clean: ## Remove caches, build outputs and the state of demo and cluster; .venv stays
	@if [ -e .state/cluster/secrets.json ]; then .venv/bin/mistique cluster --delete; fi
	@rm -rf build dist .state .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache ./*.egg-info
	@find . -name .venv -prune -o -name .git -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
