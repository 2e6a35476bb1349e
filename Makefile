# make env    the environment, in .venv          make demo   the whole workflow on small made-up videos
# make test   unit tests, checks, small runs     make help   all targets
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help env demo report status test unit check workflow test-faults test-slurm bench precision clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

env: .venv/.complete ## create or update the environment in .venv

.venv/.complete: envs/requirements.txt envs/requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet -r envs/requirements.txt -r envs/requirements-dev.txt
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --no-deps -e .
	touch $@

DEMO := videos=demo/videos features=demo/features weights=random

demo: env ## make small videos, run the whole workflow on the CPU, say where the results are
	python scripts/make_demo_videos.py demo/videos
	snakemake --cores all --quiet rules --config $(DEMO)
	@echo; echo "features:"; find demo/features -name '*.npy' -not -path '*/.i3d/*' | sort
	@echo "tables:   demo/features/metadata.csv  demo/features/feature_config.txt"

report: env ## figures, near copies and contact sheets of finished features, as report.html; CONFIG as for status
	snakemake --cores all --quiet rules $(if $(CONFIG),--config $(CONFIG)) -- report
	snakemake $(if $(CONFIG),--config $(CONFIG)) --report report.html -- report

status: env ## what is done, what is to do, what it will take; CONFIG="videos=... features=..." as for --config
	@python scripts/status.py --config $(CONFIG)

test: env check unit workflow ## all quick checks and tests

check: env ## formatting, lint, types
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile rules
	snakemake --lint

unit: env ## tests of the modules
	pytest -n 2 --dist loadfile -m "not workflow and not slurm and not faults"

workflow: env ## tests that run Snakemake on small clips
	pytest -n 2 --dist loadfile -m workflow

test-faults: env ## killed jobs, full disks, vanished files, two runs at once, 10,000 videos (10 minutes)
	pytest -m faults -n 2

test-slurm: env .venv-newest/.complete ## the Narval profile on a SLURM that is started for it (root, Debian; 10 minutes)
	pytest -m slurm

# The newest Snakemake beside the pinned one: what planning needs, no more; jobs run in .venv.
.venv-newest/.complete: envs/requirements.txt
	uv venv --quiet --clear --python $(BIN)/python .venv-newest
	VIRTUAL_ENV=$(CURDIR)/.venv-newest uv pip install --quiet snakemake snakemake-executor-plugin-slurm \
		$(shell grep -E '^(numpy|pillow|decord|av|msgspec)==' envs/requirements.txt)
	VIRTUAL_ENV=$(CURDIR)/.venv-newest uv pip install --quiet --no-deps -e .
	touch $@

bench: env ## time every stage and the whole against a plain baseline; writes docs/bench.md
	python bench/bench.py --output docs/bench.md

precision: env ## measure the error of each precision; writes the table in README.md
	python -m bench.precision_table

clean: ## remove the demo and all caches
	rm -rf demo .pytest_cache .ruff_cache .mypy_cache .hypothesis
