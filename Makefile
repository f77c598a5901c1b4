# make demo: set up, then run the main job end to end on sample data.
# make test: set up, then pass the tests. Both work on a fresh machine with Python 3.11 and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PROCESSES ?= 2
EXTRAS := mysql,mssql,oracle,delta,gcp,aws,azure

.PHONY: setup demo test lint types fmt clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "duckherd needs Python 3.11 to 3.13, found $$($(PYTHON) --version); try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable '.[$(EXTRAS)]'
	@touch $@

demo: setup
	$(BIN)/duckherd demo

test: setup
	$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --cov --cov-report=term $(PYTEST)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy src/duckherd

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) duckherd-demo
