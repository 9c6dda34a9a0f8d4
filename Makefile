# One command per job; `make help` lists them. CI calls the same ones.
SHELL := /bin/sh
.DEFAULT_GOAL := help
ENV := . tests/env.sh &&
LAB_MIRROR ?= auto

.PHONY: help
help:  ## This list
	@grep -hE '^[a-zA-Z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([^:]+):[^#]*## /\1\t/' | awk -F'\t' '{printf "  make %-22s %s\n", $$1, $$2}'

.PHONY: venv
venv:  ## .venv and the collections, from pinned requirements
	@tests/setup/venv

.PHONY: requirements
requirements:  ## Freeze requirements/dev.in into requirements/dev.txt
	@tests/setup/freeze

## People

.PHONY: demo
demo: venv  ## Two bare machines become research servers; DEMO_WEB=1: JupyterLab by HTTPS, too; LAB_MIRROR=auto|local|official
	@$(ENV) python tests/demo/demo.py up --mirror $(LAB_MIRROR) $(if $(filter 1,$(DEMO_WEB)),--web)

.PHONY: demo-down
demo-down: venv  ## Remove all that the demo made
	@$(ENV) python tests/demo/demo.py down

.PHONY: new-lab
new-lab: venv  ## A lab's own repository: make new-lab DIR=../our-lab
	@$(ENV) ansible-playbook playbooks/new_lab.yml -i localhost, -e new_lab_directory="$(abspath $(DIR))"

.PHONY: build
build:  ## The installable artifact, in .cache/artifact/; needs Python 3.11 or newer, nothing of the tests
	@tests/setup/build

.PHONY: importer
importer:  ## What Galaxy says of the artifact (galaxy-importer)
	@tests/setup/importer

.PHONY: release
release: venv  ## Turn the changelog fragments into the notes of a version: make release VERSION=0.2.0
	@$(ENV) tests/setup/release $(VERSION)

## Tests

.PHONY: test
test: venv  ## Each thing once: gates, unit and integration tests, scenarios on Debian 12 and 13, the demo
	@$(ENV) TEST_ONCE=1 python tests/run.py all

.PHONY: test-quick
test-quick: venv  ## The part without containers
	@$(ENV) python tests/run.py quick

.PHONY: lint
lint: venv  ## ansible-lint (production), yamllint, ruff, mypy --strict, documentation, changelog
	@$(ENV) python tests/run.py lint

.PHONY: unit
unit: venv  ## Unit tests
	@$(ENV) python tests/run.py unit

# What may lock people out, or lose what they have.
CHANGING := _accounts/applying _conda/frame _conda/present _conda/absent _conda/rollback _conda/mutex _host/undo _ssh/plan

.PHONY: coverage
coverage: venv  ## Unit tests (as root) cover at least 80 % of each room that changes hosts, branches included
	@$(ENV) coverage run -m pytest -q tests/unit && for room in $(CHANGING); do \
	  coverage report --show-missing --fail-under=80 --include=plugins/module_utils/$$room.py || exit; done

.PHONY: sanity
sanity: venv  ## ansible-test sanity, without ignore files
	@$(ENV) python tests/run.py sanity

.PHONY: integration
integration: venv  ## Modules against a real conda, without containers
	@$(ENV) python tests/run.py integration

.PHONY: test-oldest test-newest
test-oldest: venv testbed  ## Units and one scenario with the oldest ansible-core that is promised
test-newest: venv testbed  ## The same with the newest, where there is a Python that runs it
test-oldest test-newest:
	@$(ENV) python tests/run.py core-$(@:test-%=%)

.PHONY: fault-injection
fault-injection: venv mirror  ## Kill conda_env about 250 times, fill its disk, break its network; FAULT_KILLS=1000 for more
	@$(ENV) FAULT_KILLS=$${FAULT_KILLS:-300} pytest -q -s tests/integration/test_conda_env_faults.py

.PHONY: property
property: venv mirror  ## 100 drawn pairs of prior state and specification; PROPERTY_EXAMPLES=1000 for more
	@$(ENV) PROPERTY_EXAMPLES=$${PROPERTY_EXAMPLES:-100} pytest -q tests/integration/test_conda_env_property.py

.PHONY: molecule
molecule: venv testbed  ## All scenarios, every test on both releases (hours)
	@$(ENV) TEST_STAGE_LIMIT=12000 python tests/run.py molecule

molecule-%: venv testbed  ## One scenario: make molecule-sshd
	@$(ENV) molecule test --scenario-name $*
molecule-vm: machines

## Benchmarks, each beside its peer

.PHONY: bench-conda-env
bench-conda-env: venv mirror  ## A run without changes, the whole task, locks and verification, beside conda, stat and sha256sum
	@$(ENV) python bench/conda_env.py

.PHONY: bench-hardening
bench-hardening: venv testbed  ## ssh-audit, Lynis, and the time of a second run beside 46 tasks that do nothing
	@$(ENV) python bench/hardening.py

.PHONY: bench-fleet
bench-fleet: venv testbed  ## What a host more costs the controller, beside 46 tasks that do nothing: fleets of 10 and 30 hosts
	@$(ENV) python bench/fleet.py

.PHONY: bench-jupyter
bench-jupyter: venv testbed  ## Memory of 30 people's JupyterLabs, asleep and awake, beside as many started by hand; seconds to wake
	@$(ENV) python bench/jupyter.py

.PHONY: bench-hub
bench-hub: venv testbed  ## 30 people who log in at the web door at once: seconds until all have a kernel, and memory
	@$(ENV) python bench/hub_logins.py

.PHONY: bench-audit
bench-audit: venv testbed  ## What the audit costs a host with 500,000 files, beside find
	@$(ENV) python bench/audit.py

## Test bed

.PHONY: testbed
testbed: venv  ## Docker Engine, host images, mirror, network
	@$(ENV) python tests/testbed/testbed.py up

.PHONY: engine images machines mirror
engine: venv  ## Docker Engine runs
images: venv  ## Images of bare Debian 12 and 13 servers
machines: venv  ## Disks of bare Debian 12 and 13 for virtual machines
mirror: venv  ## An installer with a real conda, and two channels
engine images machines mirror:
	@$(ENV) python tests/testbed/testbed.py $@

.PHONY: testbed-down
testbed-down: venv  ## Remove the test bed's containers and network, keep its caches
	@$(ENV) python tests/testbed/testbed.py down

.PHONY: clean
clean:  ## Remove containers, network, images, caches and the virtual environment
	@if [ -x .venv/bin/python ]; then $(ENV) python tests/testbed/testbed.py down; fi
	@docker images --quiet 'research-server/*' 2>/dev/null | sort -u | xargs -r docker rmi --force >/dev/null
	@rm -rf .venv .venv-* .cache

.PHONY: format
format: venv  ## Format Python
	@$(ENV) ruff format . && ruff check --fix .
