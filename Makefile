# Everything runs in a virtual environment beside this file; nothing else is installed or changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check docs format bench demo-models up clean

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.local ## Run the whole way on a sample video: frames, search, masks, dataset
	@$(BIN)/komadori demo --output demo-output

test: $(VENV)/.dev ## Run all tests
	@cd backend && OMP_WAIT_POLICY=PASSIVE ../$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

check: $(VENV)/.dev ## Look at style, types, layers and whether the generated documents are fresh
	cd backend && ../$(BIN)/ruff check . && ../$(BIN)/ruff format --check .
	cd backend && ../$(BIN)/mypy
	cd backend && ../$(BIN)/lint-imports --no-logo
	cd backend && ../$(BIN)/python scripts/write_docs.py --check

docs: $(VENV)/.dev ## Write the generated documents again
	cd backend && ../$(BIN)/python scripts/write_docs.py

format: $(VENV)/.dev ## Format the code
	cd backend && ../$(BIN)/ruff check --fix --quiet . ; ../$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure; the results are JSON files under backend/benchmarks
	cd backend && for script in benchmarks/[a-z]*.py; do ../$(BIN)/python $$script || exit 1; done

demo-models: $(VENV)/.local ## Make the small demo checkpoints again
	cd backend && ../$(BIN)/python -m scripts.make_demo_models

up: $(VENV)/.local ## Start Komadori on this machine
	@$(BIN)/komadori up

clean: ## Remove the environment and what the demo made
	rm -rf $(VENV) demo-output

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Komadori needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }

$(VENV)/.local: backend/requirements/local.txt backend/pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Komadori needs into $(VENV) (a few minutes, once) ..."
	@$(PIP) -r backend/requirements/local.txt
	@$(PIP) --no-deps --no-build-isolation -e backend
	@touch $@

$(VENV)/.dev: backend/requirements/dev.txt $(VENV)/.local | $(VENV)/bin/python
	@$(PIP) -r backend/requirements/dev.txt
	@touch $@
