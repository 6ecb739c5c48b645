# Every target works as the first command in a fresh clone, as root or not, without Docker and without PostgreSQL.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 6
CHANGES ?= 1000000
DOWN ?= 600
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
TAG ?= $(VERSION)
.DEFAULT_GOAL := help
# Some machines set it. Then each of the hundreds of programs that the tests start would be compiled anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "NotifyChannel needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making $(VENV) and installing the packages of constraints.txt (once, a minute or more) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/docs: $(VENV)/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[docs]'
	@touch $@

.PHONY: install
install: $(VENV)/ready ## Make .venv with everything for development

.PHONY: demo
demo: $(VENV)/ready ## The walk of one hint on this machine: PostgreSQL, sidecar, application; half a minute
	@$(BIN)/notifychannel demo

example-%: $(VENV)/ready ## Start examples/%, on a PostgreSQL of its own, until Ctrl-C: make example-alert-delivery
	@test -f examples/$*/services.yaml || { echo "There is no example $*; there are:" $$(cd examples && ls -d */services.yaml | xargs -n1 dirname); exit 1; }
	@trap : INT; $(BIN)/notifychannel dev -f examples/$*/channels.yaml --schema examples/$*/schema.sql \
	    --services examples/$*/services.yaml || { code=$$?; test $$code = 130 || exit $$code; } # 130: by Ctrl-C

.PHONY: test
test: $(VENV)/docs ## All tests, on PostgreSQL 16 and 18 (about ten minutes on two cores)
	@tests/install-pgbouncer
	@tests/install-prometheus
	@tests/install-postgresql-13
	@tests/install-chromium || true  # without it the tests of pages are skipped, which CI does not accept
	@# Else each worker of a fresh clone would rewrite the asserts of all the tests for itself.
	@[ -d tests/__pycache__ ] || collected=$$($(BIN)/pytest --collect-only -q 2>&1) || { echo "$$collected"; exit 1; }
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

.PHONY: screenshots
screenshots: $(VENV)/ready ## The screenshots of examples' pages, taken anew by their tests in Chromium
	@NOTIFYCHANNEL_SCREENSHOTS=1 $(BIN)/pytest tests/integration -k "example and browser" -n 0

.PHONY: test-fast
test-fast: $(VENV)/ready ## The tests that need no server (seconds)
	$(BIN)/pytest tests/unit -m "not slow" -n $(WORKERS)

.PHONY: lint
lint: $(VENV)/ready ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: soak
soak: $(VENV)/ready ## The checker with CHANGES=1000000 of each kind, and DOWN=600 s without application; ONLY="durable and pg18" (hours)
	SOAK_CHANGES=$(CHANGES) SOAK_DOWN_S=$(DOWN) nice -n 19 $(BIN)/pytest tests/soak -n 0 -s -k "$(ONLY)"

.PHONY: faults
faults: $(VENV)/ready ## Twelve faults with both deliveries, one table: lost, recovery, commits failed; PAGE=1: into docs/faults.md (a quarter of an hour)
	@tests/install-pgbouncer >/dev/null
	@nice -n 19 $(BIN)/python -m tests.faults $(if $(PAGE),--page) $(if $(ONLY),--only "$(ONLY)")

.PHONY: rivals
rivals: $(VENV)/ready ## Ours, a poll and the rivals that are installed in one run, one table; PAGE=1: into docs/rivals.md (ten minutes)
	@$(BIN)/python -m tests.rivals $(if $(PAGE),--page) $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)")

.PHONY: model
model: ## spin looks at every state of the doorbell's model (under a minute)
	@docs/model/check

.PHONY: docs
docs: $(VENV)/docs ## The pages as a static site with search, in .cache/site/html (seconds)
	@mkdir -p .cache/site/pages
	@$(BIN)/mkdocs build  # not --quiet: then mkdocs would not hear its own warnings
	@echo "Look at .cache/site/html/index.html"

.PHONY: reference
reference: $(VENV)/ready ## docs/reference/ anew, of the CRD and of the commands' own --help
	@$(BIN)/python docs/generate.py

.PHONY: format
format: $(VENV)/ready ## Let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/ready ## The figures of the README, each beside its floor
	$(BIN)/notifychannel bench all

.PHONY: sbom
sbom: $(VENV)/ready ## dist/sbom-*.cdx.json (CycloneDX) and dist/requirements-*.txt of what each program installs
	@$(BIN)/python sbom.py dist

.PHONY: images
images: ## Build both container images: BASE=<image with python3 and venv> TAG=<tag>; OTEL=1: the sidecar's can export spans
	@for program in operator sidecar; do \
	  echo "Building notifychannel/$$program:$(TAG) on $(or $(BASE),the default base) ..."; \
	  docker build --quiet --file Dockerfile.$$program --tag notifychannel/$$program:$(TAG) \
	    $(if $(BASE),--build-arg BASE=$(BASE)) $$([ $$program = operator ] || echo '$(if $(OTEL),--build-arg OTEL=1)') $(if $(LABEL),--label $(LABEL)) --build-arg VERSION=$(VERSION) \
	    --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) . >/dev/null \
	    || { $(if $(BASE),,echo 'If python:3.13-slim could not be pulled, name another: make images BASE=$$(tests/cluster/base-image) makes one, of Debian packages (as root)';) exit 1; }; \
	   docker image inspect --format "notifychannel/$$program:$(TAG) {{.Size}}" notifychannel/$$program:$(TAG) \
	    | awk '{printf "%s: %.0f MB\n", $$1, $$2 / 1e6}' || exit 1; \
	done

.PHONY: cluster
cluster: ## A Kubernetes cluster for this clone, or the healthy one it has (cold about 10 minutes, then 30 s)
	@tests/cluster/up --keep

.PHONY: cluster-images
cluster-images: ## Give it the images that the commands of the README want (a minute; about five where nothing is cached)
	@tests/cluster/example-images

.PHONY: cluster-down
cluster-down: ## Delete this clone's cluster; what was built for it stays in the cache
	@tests/cluster/down

.PHONY: e2e
e2e: $(VENV)/ready ## The tests on a real cluster, a fresh one (or that of NOTIFYCHANNEL_KUBECONFIG); needs Docker and Go
	@tests/cluster/with-cluster --beside test-images tests/cluster/e2e $(BIN)/pytest tests/e2e --timeout 900 $(E2E)

.PHONY: bench-operator
bench-operator: $(VENV)/ready ## 1,000 channels on one database: time, memory (on a cluster, as `make e2e`; minutes)
	@tests/cluster/with-cluster $(BIN)/pytest tests/e2e/test_many_channels.py -m bench -n 0 --timeout 3600

.PHONY: clean
clean: ## Remove what these targets made in the clone
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find operator sidecar cli tests -name __pycache__ -prune -exec rm -rf {} +
