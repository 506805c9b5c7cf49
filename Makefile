# Two commands do everything on a fresh machine: `make repro` and `make test`. Each creates .venv and installs what is pinned.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
RUN ?= bbc

BIN := .venv/bin
BASE := tasks flows
# What recipes other than the embedded run need beyond that.
EXTRAS := ner images languages writing
# The tests speak with the workers of Docker and Kubernetes, without either, search on a Dask cluster of this machine, and run a model on OpenVINO.
DEV := agents dask openvino dev
locks = $(patsubst %,requirements/%.lock,$(1))
# By hash, with uv, which takes what pip is configured to; see there.
INSTALL := $(BIN)/python requirements/install.py
# Processes that run tests. More than cores: many tests wait for a server or a child.
WORKERS ?= 3
PYTEST = python -m pytest --numprocesses $(call quoted,$(WORKERS)) --dist loadfile --no-loadscope-reorder --durations 10
# What is given is taken as it is written: make would run what stands in `$(shell …)`, and take a new line for another command.
define newline


endef
NAMED := $(filter command line,$(origin RUN))
GIVEN := WORKERS RUN SOURCE CHECKPOINT PORT GPUS POOL TO WHY A B OUT PICTURES FAIL_ON STUDENTS SPLIT PEERS
$(foreach one,$(GIVEN),$(if $(filter command environment,$(origin $(one))),\
	$(eval override $(one) := $$(subst $$(newline), ,$$(value $(one))))))
# As one word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'
RUNS = $(if $(filter-out all,$(RUN)),$(call quoted,$(RUN)))
NEEDS = .venv/ready $(if $(filter-out bbc,$(RUN)),.venv/ready-extras)

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
# Its default is open to all accounts, and DVC unpickles what lies there: CVE-2025-69872. flows/process/environment.py makes it.
export DVC_SITE_CACHE_DIR ?= $(CURDIR)/.dvc/tmp/site-cache

.PHONY: help repro search add flow ui worker notify retrain rollback gate diff peers test test-all browser check plots lock clean

help: ## list these commands; each installs what it needs first
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

repro: $(NEEDS) ## run the whole pipeline of RUN (bbc, a recipe's name, or all) and print its figures
	@slipway run $(RUNS)

search: $(NEEDS) .venv/ready-dask ## search the best student under the budget of RUN; write its values into params.yaml (DRY=1: only show them)
	@slipway recipes ensure $(call quoted,$(RUN))
	@slipway data restore $(RUNS)
	@slipway search $(call quoted,$(RUN)) $(if $(DRY),--dry-run)

add: .venv/ready .venv/ready-extras ## add recipes/RUN.yaml to params.yaml and bring its data in (SOURCE=, CHECKPOINT=)
	@slipway add $(call quoted,$(RUN)) \
		$(if $(SOURCE),--source $(call quoted,$(SOURCE))) $(if $(CHECKPOINT),--checkpoint $(call quoted,$(CHECKPOINT)))

flow: $(NEEDS) ## run the same pipeline as a Prefect flow
	@slipway recipes ensure $(call quoted,$(RUN))
	@slipway data restore $(RUNS)
	@slipway flow $(RUNS)
	@slipway report $(RUNS)

ui: .venv/ready ## run a Prefect server with UI, workers and deployments on this machine (PORT=4200, GPUS=1)
	@slipway ui $(if $(PORT),--port $(call quoted,$(PORT))) $(if $(GPUS),--gpus $(call quoted,$(GPUS)))

worker: .venv/ready ## run a worker of POOL (gpu, cpu) in this checkout, for the server at PREFECT_API_URL
	@slipway worker $(call quoted,$(or $(POOL),gpu))

notify: .venv/ready ## make the server call the webhook SLIPWAY_WEBHOOK when a run fails or a model misses its gates
	@slipway notify

retrain: .venv/ready ## take in data/inbox/RUN; with enough new rows train a challenger and promote it if it is better
	@slipway retrain night $(call quoted,$(RUN))

rollback: .venv/ready ## restore the former champion of RUN, bit for bit (WHY=reason, TO=version)
	@slipway retrain rollback $(call quoted,$(RUN)) $(if $(TO),--to $(call quoted,$(TO))) $(if $(WHY),--why $(call quoted,$(WHY)))

gate: .venv/ready ## exit 0 if the last benchmark of RUN passed its gates, 1 if not
	@slipway gate $(call quoted,$(RUN))

diff: .venv/ready ## review revision B (default: workspace) against A (default: where the branch left main); pages in OUT (review/); RUN= for one run
	@slipway review --out $(call quoted,$(or $(OUT),review)) $(if $(A),--a $(call quoted,$(A))) $(if $(B),--b $(call quoted,$(B))) \
		$(if $(NAMED),--run $(call quoted,$(RUN))) $(if $(PICTURES),--pictures $(call quoted,$(PICTURES))) \
		$(if $(FAIL_ON),--fail-on $(foreach one,$(FAIL_ON),$(call quoted,$(one))))

peers: .venv/ready ## compare RUN's student with other tools on RUN's teacher and rows (STUDENTS=, PEERS=, SPLIT=validation, OUT=)
	@python -m benchmarks.peers --run $(call quoted,$(RUN)) $(if $(STUDENTS),--students $(foreach one,$(STUDENTS),$(call quoted,$(one)))) \
		$(if $(PEERS),--peers $(foreach one,$(PEERS),$(call quoted,$(one)))) \
		$(if $(SPLIT),--split $(call quoted,$(SPLIT))) $(if $(OUT),--out $(call quoted,$(OUT)))

plots: .venv/ready ## draw the plots of the current figures into dvc_plots/index.html, without network
	@python -m flows.process.environment
	dvc plots show

test: .venv/ready-dev ## run the quick tests (WORKERS=3)
	$(PYTEST) -m "not slow"

test-all: .venv/ready-dev browser ## run the long tests, which `make test` leaves out (WORKERS=3)
	$(PYTEST) -m slow

# For the tests of the UI: the system's, else Debian's package where we may install it, else they are skipped and say so.
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name > /dev/null && exit 0; done; \
		sudo=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
		{ command -v apt-get && $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends chromium; } > /dev/null 2>&1 \
		|| echo "no Chromium here, and none could be installed: the tests of the UI are skipped"

check: .venv/ready-dev ## run ruff and mypy --strict
	ruff check .
	ruff format --check .
	mypy

lock: .venv/ready-dev ## write requirements/*.lock from the installed packages
	python requirements/lock.py

clean: ## remove environments and leftovers of killed runs; data and figures stay
	rm -rf .venv .peers .prefect data/.scratch dvc_plots

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Slipway needs Python 3.11 to 3.13, this is " + sys.version.split()[0]) if not (3, 11) <= sys.version_info[:2] < (3, 14) else None'
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/ready: .venv/bin/python $(call locks,$(BASE)) requirements/install.py flows/checkout/plots_page.py
	$(INSTALL) $(BASE)
	$(BIN)/python -m flows.process.environment
	$(BIN)/python -m flows.checkout.plots_page
	@touch $@

.venv/ready-extras: .venv/ready $(call locks,$(EXTRAS))
	$(INSTALL) $(BASE) $(EXTRAS)
	@touch $@

.venv/ready-dask: .venv/ready requirements/dask.lock
	$(INSTALL) $(BASE) dask
	@touch $@

.venv/ready-dev: .venv/ready-extras $(call locks,$(DEV))
	$(INSTALL) $(BASE) $(EXTRAS) $(DEV)
	@touch $@
