# Every target makes its own environment from the lock file; nothing else to do on a machine with Python 3.11.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.PHONY: help install demo test lint faults service-faults bench service-bench hubs steady gpu-check client lock clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

# -qq leaves errors; the torch pin takes the CPU build where one lies at hand.
$(VENV)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install -qq --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install -qq --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

install: $(VENV)/.installed ## the environment in .venv, from the lock file

demo: install ## real volumes, five or more domains, two Ray workers, one page at the end
	$(BIN)/isthmus data fetch-examples demo
	$(BIN)/isthmus pretrain deploy/examples/demo.yaml

# Two processes, a file of tests at a time in each; long files come first (tests/conftest.py).
test: lint ## lint, types, import contracts and all tests that take less than minutes
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check policies trainers service tests deploy
	$(BIN)/ruff format --check policies trainers service tests deploy
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: install ## kill workers, owner, driver and all of them at 20 and more instants, then compare
	$(BIN)/pytest -m slow tests/faults --ignore tests/faults/service -s --timeout 3600

service-faults: install ## kill every part of the service, its database and MLflow under load, 20 times each, then compare
	$(BIN)/pytest -m slow tests/faults/service -s --timeout 3600

bench: install ## the loop against a bare PyTorch loop, refits, the stream; printed as ratios
	$(BIN)/python -m tests.benchmarks

service-bench: install ## 1,000 allocations in an open loop, saturation, Optuna's storage beside it
	$(BIN)/python -m tests.benchmarks.service

hubs: install ## ten seeds on planted phantoms: does the hub get more than its uniform share?
	$(BIN)/python -m tests.benchmarks.hubs

steady: install ## ten seeds at a fixed mixture on the example data: the spread of the final loss
	$(BIN)/python -m tests.benchmarks.steady

gpu-check: install ## nccl, bf16, compile and resume, where a GPU is at hand
	$(BIN)/python -m trainers.gpu_check

client: install ## the client alone as a wheel in dist/, for machines without Ray and torch
	$(BIN)/python -m build --wheel --no-isolation --outdir dist deploy/client
	rm -rf deploy/client/build deploy/client/*.egg-info

lock: ## renew the lock file from pyproject's ranges
	rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq torch==2.13.0 setuptools '.[dev]'
	{ sed -n 1p requirements.lock; $(BIN)/pip freeze --all | grep -viE '^(pip|isthmus)[ =@]' | sed 's/^torch==\(.*\)+cpu/torch==\1/' | sort -f; } > $(VENV)/lock
	mv $(VENV)/lock requirements.lock

clean:
	rm -rf $(VENV) demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
