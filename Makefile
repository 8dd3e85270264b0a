# Every verb of the project. A verb makes .venv first, from the pinned requirements, when it is missing or they changed.
PYTHON ?= python3
FAULT ?=
SEEDS ?= 2000
SUITES ?=
FUNCTIONAL ?= jubilant
REWRITE ?=

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUN := .venv/bin/python
# The stamps carry what they were made from, so that a checkout that only touches a file costs nothing.
PACKAGES := .venv/packages-$(shell cksum < requirements/test.txt | cut -d' ' -f1)
READY := .venv/vmha-$(shell cat pyproject.toml requirements/service.in | cksum | cut -d' ' -f1)

.PHONY: help demo test check soak storm scenarios cloud cloud-down bench bench-api charms juju-demo functional clean pins

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## a host dies in a simulated cloud and its instances run again elsewhere (FAULT=name shows a refusal)
	@$(RUN) -m vmha.sim.demo $(FAULT)

test: $(READY) ## every test, with minutes per suite (SUITES="unit sql" runs only these)
	@$(RUN) -m tests.run $(SUITES)

check: $(READY) ## format, lint, types, imports, unit tests and scenarios: some two minutes
	@$(RUN) -m tests.run --quick

soak: $(READY) ## the long forms of tests, which take longer than `make test` has time for (SUITES=name)
	@$(RUN) -m tests.run --soak $(SUITES)

storm: $(READY) ## random faults over the whole loop in virtual time (SEEDS=n)
	@$(RUN) -m vmha.sim.storm --seeds $(SEEDS)

scenarios: $(READY) ## play the scenario files (REWRITE=1 records what happens, for you to read in the diff)
	@$(RUN) -m vmha.sim.scenario $(if $(REWRITE),--rewrite) unit_tests/scenarios/*.scenario

cloud: $(READY) ## start a real local control plane: MariaDB, RabbitMQ, Keystone, Placement, Glance, Nova
	@$(RUN) -m tests.cloud.rig up

cloud-down: $(READY) ## stop it and keep its data
	@$(RUN) -m tests.cloud.rig down

bench: $(READY) ## measure recoveries on that cloud beside the bare loop; writes bench/RESULTS.md
	@$(RUN) -m bench

bench-api: $(READY) ## measure the API beside upstream's, one worker each; writes bench/API.md
	@$(RUN) -m bench.api

charms: $(READY) ## pack the masakari charm into dist/ (on Debian or Ubuntu, with python3-apt and python3-venv)
	@$(RUN) -m packing

juju-demo: $(READY) ## the packed charm on three units under a stand-in for Juju, with a status table (needs root)
	@$(RUN) -m tests.juju

functional: ## test dist/masakari.charm on a real Juju, which needs a controller (FUNCTIONAL=zaza: with zaza)
	@$(PYTHON) -m tests.functional $(FUNCTIONAL)

pins: ## resolve the requirement files again (needs uv on the PATH)
	@constraints=; for name in service charm test; do echo "resolving requirements/$$name.txt"; \
	  uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --only-binary :all: $$([ $$name != charm ] || echo --no-binary charmhelpers) \
	    --no-emit-index-url --no-annotate --no-header $$constraints \
	    requirements/$$name.in --output-file requirements/$$name.txt; \
	  constraints="$$constraints --constraint requirements/$$name.txt"; done
	@echo "resolving requirements/packing.txt"; \
	  uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --only-binary :all: \
	    --no-emit-index-url --no-annotate --no-header requirements/packing.in --output-file requirements/packing.txt
	@for name in functional-jubilant functional-zaza; do echo "resolving requirements/$$name.txt"; \
	  uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header requirements/$$name.in --output-file requirements/$$name.txt; done

clean: ## remove the environment and everything that tools left
	@[ ! -e .cloud ] || [ ! -x $(RUN) ] || $(RUN) -m tests.cloud.rig wipe
	@rm -rf .venv .packing .functional .cloud .cloud.lock .tox .test-results build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache
	@find src unit_tests tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@rm -rf src/*.egg-info

$(PACKAGES): requirements/test.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "vmha needs Python 3.11 to 3.13 and $(PYTHON) is none of them; try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv
	@total=$$(grep -c '^[a-z].*==' requirements/test.txt); count=0; \
	  .venv/bin/pip install --no-input --progress-bar off --only-binary :all: --require-hashes \
	    -r requirements/test.txt 2> .venv/pip.log | while read -r verb rest; do case "$$verb" in \
	      Collecting) count=$$((count + 1)); \
	        if [ -t 1 ]; then printf '\r  %3d of %d packages' $$count $$total; \
	        elif [ $$((count % 25)) = 0 ]; then echo "  $$count of $$total packages"; fi ;; \
	      Installing) [ ! -t 1 ] || echo; echo "  unpacking them" ;; \
	    esac; done || { cat .venv/pip.log >&2; exit 1; }
	@touch $@

$(READY): $(PACKAGES)
	@.venv/bin/pip install --quiet --no-input --no-deps --no-build-isolation --no-index --editable . 2> .venv/pip.log || \
	  { cat .venv/pip.log >&2; exit 1; }
	@touch $@
