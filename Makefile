# Everything from a bare Python (3.10 to 3.14), cmake and a C++ compiler. `make help` lists it.

PYTHON ?= python3
OUT ?= demo
VENV := $(CURDIR)/.venv
RUN := $(VENV)/bin
PYTHON_FILES := drift_ros test tools launch examples benchmarks setup.py
PRESENT = $(wildcard $(PYTHON_FILES))

# The virtual environment is the one ROS prefix, whatever the calling shell has sourced.
export AMENT_PREFIX_PATH := $(VENV)
export CMAKE_PREFIX_PATH := $(VENV)
export RMW_IMPLEMENTATION := rmw_fastrtps_cpp
unexport PYTHONPATH COLCON_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE

.DEFAULT_GOAL := help
.PHONY: help env build test unit lint format demo docs lock clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10
	@echo 'Variables: PYTHON=python3.12, TORCH_INDEX=https://download.pytorch.org/whl/cpu (CPU builds),'
	@echo '           PYTEST_ARGS="-k name", BAG=, PROMPTS= and OUT= of the demo'

env: ## make .venv with the locked versions: the ROS 2 prefix
	@$(PYTHON) tools/make_env.py $(VENV) $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

build: env ## build the package into .venv with colcon
	@$(RUN)/python tools/build.py $(VENV)

test: lint unit ## lint, types, room borders, and the whole test suite

unit: build ## the test suite alone, PYTEST_ARGS to choose
	@$(RUN)/python -m pytest $(PYTEST_ARGS)

lint: build ## ruff, mypy and import-linter
	@$(RUN)/ruff check --quiet $(PRESENT)
	@$(RUN)/ruff format --quiet --check $(PRESENT) || { echo 'make format puts this right'; exit 1; }
	@$(RUN)/mypy
	@$(RUN)/lint-imports

format: env ## let ruff sort imports and format
	@$(RUN)/ruff check --quiet --fix-only $(PRESENT)
	@$(RUN)/ruff format --quiet $(PRESENT)

demo: build ## render or take a bag, track it over DDS, write video and report to OUT
	@$(RUN)/drift demo $(if $(BAG),--bag "$(BAG)") $(if $(PROMPTS),--prompts "$(PROMPTS)") --out "$(OUT)"

docs: build ## write the generated pages of docs/
	@$(RUN)/drift docs

lock: ## resolve the newest versions anew (needs uv: pip install uv)
	@tools/lock.sh $(or $(UV),uv)

clean: ## remove the environment and all build outputs
	rm -rf $(VENV) build log demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
