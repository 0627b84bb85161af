# What a contributor runs. Every target installs what it needs; everything but installing works offline.
VENV := .venv
SAM_VENV := .venv-sam
FUZZ_VENV := .venv-fuzz
E2E_VENV := .venv-e2e
CHECKOV_VENV := .venv-checkov
AUDIT_VENV := .venv-audit
PY := $(VENV)/bin/python
SAM := SAM_CLI_TELEMETRY=0 $(SAM_VENV)/bin/python -m samcli
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --requirement
TRANSLATED := .aws-sam/translated
LOCAL_CONFIG := samconfig.local.toml
ARCHITECTURE := arm64

# A Region of each partition, as in local/parameters.py.
REGIONS := us-east-1 cn-north-1 us-gov-west-1 eusc-de-east-1

# With `user = true` in its configuration, pip refuses to install into an environment.
export PIP_USER := 0

# The development environment holds all that `make run` needs.
RUN_READY := $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.run)

.DEFAULT_GOAL := help
.PHONY: help run cli test bench check browser screenshots fuzz openapi format build deploy release emulated e2e audit lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) $(VENV)/bin/ecr-rescan ## Run the whole service here, against an embedded AWS (API_PORT AWS_PORT SAMPLES CLOCK_SPEED TICK_SECONDS SCAN_SECONDS)
	@exec $(PY) -m local

cli: $(RUN_READY) $(VENV)/bin/ecr-rescan ## Put the command ecr-rescan into .venv/bin

test: $(VENV)/.dev ## Run the tests (T=path to choose, ARGS= for pytest)
	@$(PY) -m pytest -n 2 $(ARGS) $(T)

check: $(VENV)/.dev $(SAM_VENV)/.sam ## Check format, lint, types, template, tests with coverage (.ci/run is all that CI checks)
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m mypy
	$(SAM) validate --lint
	$(PY) -m local.translate $(TRANSLATED)
	@for region in $(REGIONS); do \
		$(SAM_VENV)/bin/cfn-lint --regions $$region -- $(TRANSLATED)/$$region-unset.json $(TRANSLATED)/$$region-set.json || exit 1; \
	done
	$(PY) -m pytest -n 2 --cov --cov-report=term $(ARGS)

bench: $(VENV)/.dev build $(if $(filter Linux,$(shell uname -s)),emulated) ## Measure speed, memory, calls and cost beside references and targets (ten minutes; leave the machine alone)
	@PYTHONPATH=layers/shared $(PY) -m benchmarks

simulate: $(VENV)/.dev ## Simulate days of scanning, with faults (DAYS IMAGES REPOSITORIES PUSHES SEEDS SEED FAULTS OUTAGE TRIES)
	@PYTHONPATH=layers/shared $(PY) -m simulation

browser: $(VENV)/.dev ## Try the dashboard in a real browser (needs Chromium)
	$(PY) -m pytest tests/browser $(ARGS)

screenshots: $(VENV)/.dev ## Make the pictures of the dashboard anew (needs Chromium)
	PYTHONPATH=layers/shared $(PY) -m tests.browser.screenshots

openapi: $(VENV)/.dev ## Write the API's contract anew, from the code
	PYTHONPATH=layers/shared $(PY) -m contract

fuzz: $(VENV)/.dev $(FUZZ_VENV)/.fuzz ## Hold the local stack to the API's contract, by requests made up from it (EXAMPLES SEED)
	PYTHONPATH=layers/shared $(PY) -m tests.fuzz $(FUZZ_VENV)/bin/schemathesis

format: $(VENV)/.dev ## Format the code and apply ruff's safe fixes
	$(PY) -m ruff check --fix --exit-zero
	$(PY) -m ruff format

build: $(SAM_VENV)/.sam ## Build what `sam deploy` deploys, into .aws-sam (ARCHITECTURE=x86_64)
	LAYER_MACHINE=$(patsubst arm64,aarch64,$(ARCHITECTURE)) PATH="$(CURDIR)/$(SAM_VENV)/bin:$$PATH" \
		$(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)
	$(call bounded,.aws-sam/build)
	@$(SAM_VENV)/bin/python -m supply.sbom .aws-sam/build/SharedLayer/python .aws-sam/sbom.cdx.json

# Asked once; what is answered is kept in a file that git ignores.
deploy: $(SAM_VENV)/.sam ## Deploy what was built; the first time, ask for everything (ARGS= for sam deploy)
	@test -f .aws-sam/build/template.yaml || { echo "make build first" >&2; exit 1; }
	@test -f $(LOCAL_CONFIG) || cp samconfig.toml $(LOCAL_CONFIG)
	@if grep -q '^parameter_overrides' $(LOCAL_CONFIG); then guided=; else guided=--guided; fi; \
		$(SAM) deploy --config-file "$(CURDIR)/$(LOCAL_CONFIG)" $$guided $(ARGS)

# Without byte code a release would start slower than what its maker runs.
release: ## Pack a release into dist/: template, archives, bill of materials, SHA-256 sums (ARCHITECTURE=x86_64)
	@"$(or $(LAYER_COMPILER),python3.13)" -c '' 2>/dev/null || { echo "A release carries byte code: it needs python3.13, or LAYER_COMPILER=/path/to/it." >&2; exit 1; }
	@$(MAKE) --no-print-directory build ARCHITECTURE=$(ARCHITECTURE)
	@$(SAM_VENV)/bin/python -m release .aws-sam dist $(ARCHITECTURE)

# The emulator is a program for Linux. Its Python is the tests' own.
emulated: $(VENV)/.dev $(SAM_VENV)/.sam $(E2E_VENV)/.e2e
	@test "$$(uname -s)" = Linux || { echo "AWS's Lambda emulator runs on Linux only." >&2; exit 1; }
	LAYER_PYTHON=$$($(PY) -c 'import sys; print("%d.%d" % sys.version_info[:2])') LAYER_MACHINE=$$(uname -m) LAYER_COMPILER="$(CURDIR)/$(PY)" \
		PATH="$(CURDIR)/$(SAM_VENV)/bin:$$PATH" $(SAM) build --build-dir .aws-sam/e2e
	$(call bounded,.aws-sam/e2e)

e2e: emulated ## Build for this machine, and run that under AWS's Lambda emulator (Linux)
	ECR_RESCAN_E2E=1 $(PY) -m pytest tests/deploy/emulator $(ARGS)

audit: $(VENV)/.dev $(CHECKOV_VENV)/.checkov $(AUDIT_VENV)/.audit ## Check the template against checkov's rules (.checkov.yaml), and the locks for known vulnerabilities (ADVISORIES MUST_LOOK)
	$(PY) -m local.translate $(TRANSLATED)
	$(CHECKOV_VENV)/bin/checkov --file template.yaml $(TRANSLATED)/us-east-1-unset.json $(TRANSLATED)/us-east-1-set.json
	@$(AUDIT_VENV)/bin/python -m supply.vulnerabilities

lock: $(VENV)/.python ## Resolve the requirement locks anew
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(call compile,layers/shared/requirements)
	$(call compile,layers/shared/build)
	$(call compile,requirements/run)
	$(call compile,requirements/dev)
	$(call compile,requirements/sam)
	$(call compile,requirements/fuzz)
	$(call compile,requirements/e2e)
	$(call compile,requirements/checkov)
	$(call compile,requirements/audit)

clean: ## Remove everything that was made here, environments included
	rm -rf $(VENV) $(SAM_VENV) $(FUZZ_VENV) $(E2E_VENV) $(CHECKOV_VENV) $(AUDIT_VENV) .aws-sam dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find cli functions layers local release supply tests -name __pycache__ -prune -exec rm -rf {} +

# Unpacked, a function and its layer may take 250 MB; what is larger than this is not needed.
define bounded
@find $(1)/SharedLayer -type f -exec cat {} + | wc -c | awk '{mb = $$1 / 1048576; \
	printf "The layer takes %.1f MB, of 40 MB that this build allows and 250 MB that Lambda does.\n", mb; exit mb > 40}'
endef

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

$(VENV)/.python $(SAM_VENV)/.python $(FUZZ_VENV)/.python $(CHECKOV_VENV)/.python $(AUDIT_VENV)/.python:
	@$(call find_python,$(@D))
	@touch $@

# The command of this checkout: what is changed here is what runs.
$(VENV)/bin/ecr-rescan: Makefile | $(VENV)/.python
	@printf '#!%s\nimport sys\n\nsys.path[:0] = ["%s", "%s/layers/shared"]\nfrom cli.main import run\n\nrun()\n' \
		"$(abspath $(PY))" "$(CURDIR)" "$(CURDIR)" > $@
	@chmod +x $@

$(VENV)/.run: requirements/run.txt | $(VENV)/.python
	$(call install,requirements/run.txt)

$(VENV)/.dev: requirements/dev.txt | $(VENV)/.python
	$(call install,requirements/dev.txt)

$(SAM_VENV)/.sam: requirements/sam.txt | $(SAM_VENV)/.python
	$(call install,requirements/sam.txt)

# Of the same Python as the tests, for which the layer is built.
$(E2E_VENV)/.e2e: requirements/e2e.txt | $(VENV)/.python
	@$(PY) -m venv $(E2E_VENV)
	$(call install,requirements/e2e.txt)

$(CHECKOV_VENV)/.checkov: requirements/checkov.txt | $(CHECKOV_VENV)/.python
	$(call install,requirements/checkov.txt)

$(AUDIT_VENV)/.audit: requirements/audit.txt | $(AUDIT_VENV)/.python
	$(call install,requirements/audit.txt)

$(FUZZ_VENV)/.fuzz: requirements/fuzz.txt | $(FUZZ_VENV)/.python
	$(call install,requirements/fuzz.txt)
