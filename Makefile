# The two commands of the README, and the three that CI runs. Everything lives in .venv; nothing outside it is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Folders of tests that mostly compute: they run beside the others, which mostly wait.
COMPUTING := cli conformance demo export frontier fuzz http items parse politeness security simulation spiders traps tutorials urls
# pip compiles what it installs, but not what is edited here, and where PYTHONDONTWRITEBYTECODE is set nobody else does: each
# crawl would then compile the package anew, which takes as long as all the rest of its start.
COMPILE := $(BIN)/python -m compileall -q crawler

.PHONY: demo test check guard format bench clean

demo: $(STAMP)  ## environment, installation, and a crawl of the bundled bookshop
	$(BIN)/crawl demo

test: $(STAMP)  ## environment, installation, and every test, with branch coverage
	$(COMPILE)
	$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q $(COMPUTING:%=tests/%) > .computing.log 2>&1 & computing=$$!; \
	$(BIN)/coverage run -m pytest $(COMPUTING:%=--ignore=tests/%); rest=$$?; \
	wait $$computing; computed=$$?; cat .computing.log; exit $$((rest + computed))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95

check: $(STAMP)  ## format, lint, types, import floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

guard: $(STAMP)  ## what a page costs, counted in instructions; fails if it is a tenth more than benchmarks/guard.toml says
	$(BIN)/python benchmarks/guard.py

bench: $(STAMP)
	$(COMPILE)
	$(BIN)/python benchmarks/throughput.py

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	$(COMPILE)
	touch $(STAMP)

clean:
	rm -rf $(VENV) .computing.log .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
