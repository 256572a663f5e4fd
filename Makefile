# Everything installs into .venv: nothing else on the machine is touched.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
WORKSPACE ?= .counterfoil
INSTALLED := $(VENV)/.installed
DEMO_INSTALLED := $(VENV)/.installed-demo
PEERS_INSTALLED := $(VENV)/.peers-installed
FUZZER_INSTALLED := $(VENV)/.fuzzer-installed
CDK_INSTALLED := $(VENV)/.cdk-installed
SCRIPTS := .ci/run $(wildcard infra/deploy/*.sh containers/*.sh .github/*.sh)
# Some machines forbid it: hundreds of processes would then compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE
# Two workers with a thread each: more threads than cores wait for each other. tests/conftest.py says which tests go
# together and which begin.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder
RUNS ?= 10000
FORMATS ?= csv tsv latin-1 gzip bzip2 xz zstd zip parquet jsonl json-array json-objects json-wrapper iso20022 pacs.009 pacs.004 pain.008 camt.053 camt.052 mt940 mt942 mt103 nacha iso8583

.DEFAULT_GOAL := help
.PHONY: help demo check test all-tests lint format bench bench-quality faults properties fuzz notebooks images synth deploy execute destroy clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(DEMO_INSTALLED) ## Install what it needs, then run the main job on simulated payments: no AWS, no Docker
	$(BIN)/counterfoil demo --workspace $(WORKSPACE)

notebooks: $(INSTALLED) ## Run all notebooks on the demo's workspace; outputs go to build/notebooks
	test -d $(WORKSPACE)/lake/scores || $(BIN)/counterfoil demo --workspace $(WORKSPACE)
	$(BIN)/python -m counterfoil.insights.run_notebooks notebooks --workspace $(WORKSPACE) --out build/notebooks

check: $(INSTALLED) ## Check style, types, import rules and units: what to run before each commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) tests/unit -m "not slow"

test: $(INSTALLED) ## Install, then check style, types and import rules, and run all tests
	$(MAKE) --no-print-directory --jobs 2 lint all-tests  # side by side: mypy alone would leave a core idle

# A test that fails is run once more, and named as RERUN: it passes on a busy machine, and is a fault to mend all the same.
all-tests: $(INSTALLED)
	$(PYTEST) --reruns 1 -r fER

lint: $(INSTALLED) ## Check style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github
	.github/lint_workflows.sh
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/hadolint containers/*/Dockerfile
	$(BIN)/shellcheck $(SCRIPTS)

format: $(INSTALLED) ## Put the code into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure speed and memory against peers (needs the measuring data, takes long)
	for script in tests/benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

bench-quality: $(PEERS_INSTALLED) ## Measure quality beside peers on the same evidence (ARGS="ulb --json FILE")
	$(BIN)/python tests/benchmarks/quality.py $(ARGS)

faults: $(INSTALLED) ## Kill every step at every one of its fault points (takes long; `make test` kills at some)
	COUNTERFOIL_FAULTS=all OMP_NUM_THREADS=1 $(BIN)/pytest tests/faults -s

properties: $(INSTALLED) ## Draw ten times as many examples for each property as `make test` (takes long)
	$(PYTEST) --hypothesis-profile many tests/unit tests/contracts tests/fuzz tests/integration/test_no_leakage.py

fuzz: $(FUZZER_INSTALLED) ## Fuzz every input format with 10,000 files (RUNS=N FORMATS="csv jsonl")
	for format in $(FORMATS); do $(BIN)/python tests/fuzz/fuzz_input_formats.py $$format -runs=$(RUNS) || exit 1; done

synth: $(INSTALLED) ## Synthesise dev and prod offline into build/cdk, with cdk-nag's and cfn-lint's rules
	$(BIN)/python -m infra.synth build/cdk
	$(BIN)/python -m infra.permissions build/cdk/prod
	$(BIN)/python -m infra.picture build/cdk/prod
	$(BIN)/cfn-lint --config-file infra/.cfnlintrc.yaml build/cdk/*/*.template.json

images: $(INSTALLED) ## Build all images here with buildah, run their entry points, show sizes (NAMES="collector detector")
	$(BIN)/python -m infra.trial --single $(NAMES)

# What a site or a workflow gives is read by the shell from its environment ($$NAME): make would take its text for code.
deploy: $(CDK_INSTALLED) ## Deploy images, stacks, services and pipelines (ENVIRONMENT=dev TAG=commit CONTEXT=json)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m infra.deploy.deploy \
	  --environment "$$ENVIRONMENT" --tag "$$TAG" --context "$$CONTEXT" $(FIRST:%=--first)

execute: $(INSTALLED) ## Start a pipeline on AWS and wait (ENVIRONMENT=dev PIPELINE=training PARAMETERS="A=1 B=2")
	$(BIN)/python -m infra.deploy.execute "$$PIPELINE" --environment "$$ENVIRONMENT" --parameters "$$PARAMETERS"

destroy: $(INSTALLED) ## Remove an environment on AWS with its data (ENVIRONMENT=dev CONFIRM=counterfoil-dev)
	$(BIN)/python -m infra.deploy.destroy --environment "$$ENVIRONMENT" --confirm "$$CONFIRM" $(IMAGES:%=--repositories)

clean: ## Remove the environment, caches and the local workspace
	rm -rf $(VENV) $(WORKSPACE) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/counterfoil.egg-info

# Not compiled: to compile all 27,000 files takes a minute and a half, and Python does it for what it imports.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --no-compile --editable '.[weights,aws,infra,service,notebooks,spark,dev]'
	touch $(DEMO_INSTALLED) $(INSTALLED)

# A part of the above: `make test` completes it.
$(DEMO_INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[demo]'
	touch $(DEMO_INSTALLED)

$(CDK_INSTALLED): $(INSTALLED) infra/package.json infra/package-lock.json
	npm ci --prefix infra --no-audit --no-fund
	touch $(CDK_INSTALLED)

# Not in an extra: nothing but this needs it, and it comes for few machines.
$(FUZZER_INSTALLED): $(INSTALLED)
	$(INSTALL) atheris
	touch $(FUZZER_INSTALLED)

$(PEERS_INSTALLED): $(INSTALLED)
	$(INSTALL) --editable '.[bench]'
	touch $(PEERS_INSTALLED)
