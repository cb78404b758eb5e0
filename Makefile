# The commands of Karyocyte. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# cpu or cu126, cu128, ...: which build of torch uv takes; empty: the platform's default.
TORCH_BACKEND ?=
STAMP := $(VENV)/.installed-$(if $(TORCH_BACKEND),$(TORCH_BACKEND),default)
# A module is compiled once, not by each of the processes that tests start.
export PYTHONDONTWRITEBYTECODE :=
# The network of paper 004 whose ROC docs/gallery.md shows.
PICTURED := results/evidence/resnet50_cut_block5
# Each test process computes on one thread: they share the cores.
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -q

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-core test-slow test-cluster lint format docs audit lock results tables clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  variables: PYTHON=python3.11  TORCH_BACKEND=cpu|cu126|...  PYTEST_ARGS=..."
	@echo "  environment: KARYOCYTE_DATA_DIR, KARYOCYTE_WEIGHTS_DIR (tests on real files are skipped without them)"

setup: $(STAMP) ## make .venv and install the pinned packages (uv; pip where uv cannot be had)

$(STAMP): pyproject.toml $(wildcard packages/*/pyproject.toml) constraints.txt scripts/setup.sh setup.py
	@PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_BACKEND="$(TORCH_BACKEND)" bash scripts/setup.sh
	@rm -f $(VENV)/.installed-* && touch $@

demo: setup ## train a small network on synthetic cells, and write its report.html: two minutes of a CPU core, no data needed
	$(RUN) train.py +experiment=demo
	$(RUN) scripts/report.py "$$(ls -dt outputs/demo/*/seed=0 | head -n 1)"
	@echo "shown: a network trained on 720 drawn cells names 240 cells of other subjects; report.html shows each of them"

test: setup ## smoke tests: the main job and each package once, half a minute of a CPU core
	$(PYTEST) tests/test_smoke.py tests/test_architecture.py $(PYTEST_ARGS)

test-all: setup ## all tests, in parallel
	$(PYTEST) -n auto --dist loadfile --no-loadscope-reorder -m "not slow" --ignore=tests/cluster $(PYTEST_ARGS)

test-core: ## the smoke tests with the core installed alone, in an environment of its own
	@PYTHON="$(PYTHON)" VENV=$(VENV)-core TORCH_BACKEND="$(TORCH_BACKEND)" PACKAGES="" bash scripts/setup.sh
	OMP_NUM_THREADS=1 $(VENV)-core/bin/python -m pytest -q -o pythonpath=. tests/test_smoke.py tests/test_architecture.py $(PYTEST_ARGS)

test-slow: setup ## the tests that take minutes each
	$(PYTEST) -m slow $(PYTEST_ARGS)

test-cluster: setup ## the tests on a Slurm of two virtual nodes on this machine (installed and started here, needs root)
	scripts/dev_cluster.sh start --install
	$(PYTEST) tests/cluster $(PYTEST_ARGS); code=$$?; scripts/dev_cluster.sh stop; exit $$code

lint: setup ## style, formatting and static types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: setup ## fix style and formatting
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

docs: setup ## build the handbook into site/, which opens from disk: site/index.html
	$(RUN) -m docs.tables --check
	$(RUN) -m docs.site
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build

audit: setup ## ask for known vulnerabilities of constraints.txt (pip-audit by uv; needs the network, fails without it)
	PATH="$(VENV)/bin:$$PATH" uv tool run pip-audit --strict --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

lock: ## resolve constraints.txt anew from pyproject.toml (needs uv)
	uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--python-version 3.11 --group dev pyproject.toml --output-file constraints.txt

results: setup ## recompute every figure of README.md and docs/ that follows from the predictions in results/evidence
	$(RUN) -m reproduction.evidence.results
	$(RUN) -m reproduction.persons.results
	$(RUN) -m cytogenetics.evidence.karyotypes
	$(RUN) -m docs.drawings
	rm -rf $(subst evidence,recomputed,$(PICTURED))
	$(RUN) scripts/evaluate.py $(PICTURED)/*-58f8d13e/seed=0 --output $(subst evidence,recomputed,$(PICTURED))
	$(RUN) -m docs.tables

tables: setup ## write the tables of README.md and docs/ from results/
	$(RUN) -m docs.tables

clean: ## remove the environment and what tests and checks leave; outputs/ stay
	rm -rf $(VENV) $(VENV)-core build site .pytest_cache .ruff_cache .mypy_cache .hypothesis karyocyte.egg-info packages/*/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
