# What a contributor runs. Every target installs what it needs; everything but installing works offline.
VENV := .venv
SAM_VENV := .venv-sam
PY := $(VENV)/bin/python
SAM := SAM_CLI_TELEMETRY=0 $(SAM_VENV)/bin/python -m samcli
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --requirement
TRANSLATED := .aws-sam/translated.json

# The development environment holds all that `make run` needs.
RUN_READY := $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.run)

.DEFAULT_GOAL := help
.PHONY: help run test check format build lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) ## Run the whole service here, against an embedded AWS (API_PORT AWS_PORT SAMPLES CLOCK_SPEED TICK_SECONDS SCAN_SECONDS)
	@exec $(PY) -m local

test: $(VENV)/.dev ## Run the tests (T=path to choose, ARGS= for pytest)
	@$(PY) -m pytest $(ARGS) $(T)

check: $(VENV)/.dev $(SAM_VENV)/.sam ## Check everything that CI checks: format, lint, types, template, tests with coverage
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m mypy
	$(SAM) validate --lint
	@mkdir -p $(dir $(TRANSLATED))
	$(PY) -m local.translate > $(TRANSLATED)
	$(SAM_VENV)/bin/cfn-lint $(TRANSLATED)
	$(PY) -m pytest --cov --cov-report=term $(ARGS)

format: $(VENV)/.dev ## Format the code and apply ruff's safe fixes
	$(PY) -m ruff check --fix --exit-zero
	$(PY) -m ruff format

build: $(SAM_VENV)/.sam ## Build what `sam deploy` deploys, into .aws-sam
	@find functions -name __pycache__ -prune -exec rm -rf {} +
	PATH="$(CURDIR)/$(SAM_VENV)/bin:$$PATH" $(SAM) build
	@du -sk .aws-sam/build/SharedLayer | awk '{printf "The layer takes %.1f MB of the 250 MB that Lambda allows.\n", $$1 / 1024}'

lock: $(VENV)/.python ## Resolve the requirement locks anew
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(call compile,layers/shared/requirements)
	$(call compile,requirements/run)
	$(call compile,requirements/dev)
	$(call compile,requirements/sam)

clean: ## Remove everything that was made here, environments included
	rm -rf $(VENV) $(SAM_VENV) .aws-sam .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find functions layers local tests -name __pycache__ -prune -exec rm -rf {} +

define compile
$(PY) -m uv pip compile --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --upgrade --custom-compile-command "make lock" --output-file $(1).txt $(1).in
endef

define find_python
for candidate in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	"$$candidate" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$$candidate has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	echo "Making $(1) with $$candidate"; \
	exec "$$candidate" -m venv $(1); \
done; \
echo "Python 3.11 or newer is needed, and $(if $(PYTHON),PYTHON=$(PYTHON) is not one,none was found; name one with PYTHON=/path/to/python)" >&2; exit 1
endef

define install
@echo "Installing $(1) into $(@D) (once; up to a minute)"
@$(@D)/bin/python $(PIP_INSTALL) $(1)
@touch $@
endef

$(VENV)/.python $(SAM_VENV)/.python:
	@$(call find_python,$(@D))
	@touch $@

$(VENV)/.run: requirements/run.txt | $(VENV)/.python
	$(call install,requirements/run.txt)

$(VENV)/.dev: requirements/dev.txt | $(VENV)/.python
	$(call install,requirements/dev.txt)

$(SAM_VENV)/.sam: requirements/sam.txt | $(SAM_VENV)/.python
	$(call install,requirements/sam.txt)
