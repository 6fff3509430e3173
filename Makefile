# make demo, make test: each works on a fresh Debian or Ubuntu. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := $(CURDIR)/.build
COLLECTION := $(BUILD)/ansible_collections/registryops/acr
SANITY := $(BUILD)/sanity/ansible_collections/registryops/acr
PACKAGED := $(BUILD)/packaged
WORKERS ?= 4
SEED ?= 1
IMAGES ?= 200
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(BUILD)
export PYTHONPATH := $(CURDIR):$(BUILD)
export PYTHONDONTWRITEBYTECODE := 1
PYTEST := $(BIN)/pytest -c tests/pytest.ini --rootdir=. -q

.PHONY: help setup demo test test-unit test-integration test-sanity test-docs test-fidelity test-compatibility test-azure \
	release-check lint docs bench chaos sandbox schema clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(VENV)/.ready  ## install what demo and tests need

$(VENV)/.ready: requirements.txt tests/requirements.txt tests/setup
	@PYTHON=$(PYTHON) tests/setup $(VENV)
	@mkdir -p $(dir $(COLLECTION)) && ln -sfn $(CURDIR) $(COLLECTION)
	@touch $@

demo: setup  ## import images into a registry of the embedded sandbox
	@$(BIN)/python -m tests.demo

# Unit tests alone, since some look at a clock; then two parts at a time, as most use one processor. BESIDE=release-check adds
# that to them.
test: setup .venv-az/.ready .venv-oldest/.ready  ## everything
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target \
		test-integration test-sanity test-docs lint test-fidelity $(BESIDE) test-compatibility

test-unit: setup  ## unit tests
	$(PYTEST) -n $(WORKERS) tests/unit

test-integration: setup  ## real playbooks against the sandbox
	$(PYTEST) -n $(WORKERS) tests/integration

test-fidelity: setup .venv-az/.ready .venv-oldest/.ready  ## the unmodified Azure CLI and SDKs against the sandbox
	$(PYTEST) tests/fidelity

.venv-az/.ready: requirements.txt tests/fidelity/requirements.txt
	@$(PYTHON) -m venv .venv-az
	@.venv-az/bin/pip install -q -r tests/fidelity/requirements.txt
	@touch $@

test-compatibility: setup .venv-oldest/.ready  ## the integration tests with the oldest supported versions
	PATH=$(CURDIR)/.venv-oldest/bin:$(PATH) ANSIBLE_BIN=$(CURDIR)/.venv-oldest/bin \
		$(PYTEST) -n $(WORKERS) -m 'not any_version' tests/integration

.venv-oldest/.ready: tests/requirements-oldest.txt
	@$(PYTHON) -m venv .venv-oldest
	@.venv-oldest/bin/pip install -q -r tests/requirements-oldest.txt
	@touch $@

test-azure: setup  ## what we rely on of Azure, checked in a registry made for it; says first what that needs and costs
	@$(BIN)/python -m tests.contract

release-check: setup .venv-az/.ready .venv-azcollection/.ready  ## the artifact, Galaxy, AWX, other tools beside, the README from a clean clone
	$(PYTEST) -n 2 --dist loadfile tests/release

# The collections of the package "ansible", and what its azure.azcollection pins, with ours in the same environment.
.venv-azcollection/.ready: requirements.txt tests/release/__main__.py | $(VENV)/.ready
	@rm -rf $(PACKAGED) && $(BIN)/python -m tests.release $(PACKAGED)
	@$(PYTHON) -m venv .venv-azcollection
	@.venv-azcollection/bin/pip install -q --no-compile ansible-core -r requirements.txt \
		-r $(PACKAGED)/ansible_collections/azure/azcollection/requirements.txt
	@touch $@

$(SANITY): setup
	@rm -rf $@ && mkdir -p $@
	@git ls-files -co --exclude-standard -z | xargs -0 sh -c 'for f; do [ -e "$$f" ] && printf "%s\0" "$$f"; done' sh | xargs -0 cp --parents -t $@
	@git -C $@ init -q  # or ansible-test asks the repository around it, where all this is ignored

.PHONY: $(SANITY)
test-sanity: $(SANITY)  ## ansible-test sanity
	cd $(SANITY) && ansible-test sanity --local --requirements --color no \
		--python $$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

lint: $(SANITY)  ## ruff, mypy, and ansible-lint in its production profile
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	cd $(SANITY) && ansible-lint --offline --profile production

docs: setup  ## build the documentation site, .build/docs/html/index.html
	@rm -rf $(BUILD)/docs && mkdir -p $(BUILD)/docs/rst && chmod og-w $(BUILD)/docs/rst
	antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --cleanup everything \
		--dest-dir $(BUILD)/docs/rst registryops.acr
	sphinx-build -q -W --keep-going -c tests/docs -d $(BUILD)/docs/doctrees $(BUILD)/docs/rst $(BUILD)/docs/html

schema: setup  ## write docs/schema/images.json, by which editors check lists of images, after a change of acr_mirror's options
	@$(BIN)/python -m tests.docs.schema

test-docs: docs $(SANITY)  ## the documentation: its references, its examples, its site
	antsibull-docs lint-collection-docs --plugin-docs --no-skip-rstcheck --check-extra-docs-refs \
		--validate-collection-refs all --disallow-unknown-collection-refs $(SANITY)
	$(PYTEST) tests/docs

bench: setup .venv-az/.ready  ## measure, beside az acr import and an empty playbook
	@$(BIN)/pip install -q -r tests/benchmarks/requirements.txt
	$(BIN)/python -m tests.benchmarks

chaos: setup  ## what is thrown at it on purpose, and what was lost; SEED= and IMAGES= as you like
	@$(BIN)/python -m tests.chaos --seed $(SEED) --images $(IMAGES)

sandbox: setup  ## keep a sandbox running and print the environment to use it (KNOBS='{"import_seconds": 2}')
	@$(BIN)/python -m tests.sandbox $(if $(KNOBS),--knobs '$(KNOBS)')

clean:  ## remove all that make has built
	rm -rf $(VENV) .venv-az .venv-azcollection .venv-oldest .build
