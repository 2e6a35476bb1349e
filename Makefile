# make demo   environment, small made-up videos, the whole workflow on the CPU, a report to look at
# make test   checks, unit tests, small runs         make help   all targets
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
USERS_PATH := $(PATH)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export OMP_WAIT_POLICY := PASSIVE
# Where it is set, as in many containers, each start of Python takes twice as long.
export PYTHONDONTWRITEBYTECODE :=

# What status, report and watch look at: CONFIG="videos=... features=...", or what the last run was given.
LAST := $(if $(CONFIG),,$(wildcard logs/last_config.yaml))
SETTINGS = $(if $(CONFIG),--config $(CONFIG)) $(if $(LAST),--configfile $(LAST))

.PHONY: help env demo report status watch test unit check workflow test-faults test-gpu test-slurm settings bench gpu-visit gpu-rehearsal precision clean distclean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

env: ## create or update .venv; PYTHON=python3.12 for another Python, TORCH=cpu for 0.5 GB instead of 3.2
	@type -P $(PYTHON) >/dev/null || PATH="$(USERS_PATH)" type -P $(PYTHON) >/dev/null || \
		{ echo "error: there is no program $(PYTHON); the workflow needs Python 3.11, 3.12 or 3.13" >&2; exit 1; }
	@PATH="$(USERS_PATH)" $(PYTHON) envs/make_env.py --torch "$(TORCH)" $(if $(filter-out file,$(origin PYTHON)),--chosen)

DEMO := videos=demo/videos features=demo/features weights=random

demo: env ## make small videos, run the whole workflow on the CPU, draw the report
	python scripts/make_demo_videos.py demo/videos
	snakemake --cores all --config $(DEMO)
	@echo
	snakemake --cores all --config $(DEMO) -- report
	snakemake --config $(DEMO) --report demo/report.html -- report 2>demo/report.log || { cat demo/report.log; exit 1; }
	@echo
	@echo "features:  $$(find demo/features -name '*.npy' -not -path '*/.i3d/*' | wc -l) files under demo/features"
	@echo "tables:    demo/features/metadata.csv, demo/features/feature_config.txt"
	@echo "look at:   demo/report.html in a browser$$(find demo/features/.i3d/report -name '*.png' 2>/dev/null | sort | head -n 1 | sed 's/^/, or at the picture /')"
	@echo "next:      put videos under dataset/videos, then: source $(BIN)/activate"
	@echo "           snakemake --cores 1 weights && snakemake -n -q && snakemake --cores all"

report: env ## figures, near copies and contact sheets of the last run's features, as report.html; CONFIG as for status
	snakemake --cores all $(SETTINGS) -- report
	snakemake $(SETTINGS) --report report.html -- report

status: env ## what is done, what is to do, what it takes, for the last run's trees or CONFIG="videos=... features=..."
	@python scripts/status.py $(if $(CONFIG),--config $(CONFIG))

watch: env ## follow the run that is at work, from another terminal; CONFIG as for status
	@python scripts/watch.py $(if $(CONFIG),--config $(CONFIG))

# The test modules with a mark: to collect all others too takes as long as some tests.
MARKED = $$(grep -rl --include='test_*.py' 'mark\.$(1)' tests)

test: env check unit workflow ## all quick checks and tests

check: env ## formatting, lint, types
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow rules
	snakemake --lint

unit: env ## tests of the modules
	pytest -n 3 --dist loadfile -m "not workflow and not slurm and not faults and not gpu"

workflow: env ## tests that run Snakemake on small clips
	pytest -n 2 --dist loadfile -m workflow $(call MARKED,workflow)

test-faults: env ## killed jobs, full disks, vanished files, two runs at once, 2,000 videos
	pytest -m faults -n 3 $(call MARKED,faults)

test-gpu: env ## what needs an NVIDIA GPU: every precision, fused layers, short memory (a minute)
	pytest -s -m gpu

test-slurm: env .venv-newest/.complete ## the Narval profile on a SLURM that is started for it (root, Debian; 8 minutes)
	python -m tests.support.slurm_cluster pytest -n 3 --dist loadgroup -m slurm $(call MARKED,slurm)

# The newest Snakemake beside the pinned one: what planning needs, no more; jobs run in .venv.
.venv-newest/.complete: envs/requirements.txt
	uv venv --quiet --clear --python $(BIN)/python .venv-newest
	VIRTUAL_ENV=$(CURDIR)/.venv-newest uv pip install --quiet snakemake snakemake-executor-plugin-slurm \
		$(shell grep -E '^(numpy|pillow|decord|av|msgspec|rich)==' envs/requirements.txt)
	VIRTUAL_ENV=$(CURDIR)/.venv-newest uv pip install --quiet --no-deps -e .
	touch $@

settings: env ## write config/schema.yaml and the table in docs/settings.md from i3d/settings.py
	python scripts/document_settings.py

bench: env ## time every stage and the whole against a plain baseline; writes docs/bench.md
	python -m bench --output docs/bench.md --clips $(wildcard ../shared/videos/real/*)

gpu-rehearsal: env ## the stages of a GPU visit, in reduced form on the CPU (a few minutes)
	DEVICE=cpu REDUCED=1 TOTAL=1800 OUT=build/gpu-rehearsal WORK=build/gpu-rehearsal/work bash bench/gpu_visit/visit.sh

precision: env ## measure how far settings take features from each other; writes the tables in docs/features.md
	python -m bench.distances

gpu-visit: env ## pack .gpu, with which bench/gpu_visit/visit.sh measures the GPU path on a machine without a network
	bash bench/gpu_visit/prepare.sh

clean: ## remove the demo and all caches
	rm -rf demo .pytest_cache .ruff_cache .mypy_cache .hypothesis

distclean: clean ## remove the environments too; videos, features, weights and logs stay
	rm -rf .venv .venv-newest
