# `make demo` rectifies the sample eyes; `make quick` and `make test` are the checks. Each sets up .venv where it is missing.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

.PHONY: demo quick test coverage check format docs figures lowest environments open-iris clean

demo: .venv/ready  ## photographs in, straight strips out: data/sample -> out/report.html
	$(BIN)/irisstn rectify data/sample -o out
	@echo "Open out/report.html in a browser."

quick: check  ## style, types and the fast tests
	$(BIN)/pytest -n $(JOBS) -m "not slow" tests

test: check  ## style, types, the whole suite, the examples in docstrings, the documentation; as CI runs it
	$(BIN)/pytest -n $(JOBS) --dist worksteal --doctest-modules --durations 10 tests irisstn

coverage: .venv/ready-dev  ## the lines that the whole suite runs; half as slow again as `make test`
	$(BIN)/pytest -n $(JOBS) --dist worksteal --cov tests

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready-dev  ## lay the code out and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/ready-dev  ## the pages, with warnings as errors: docs/_build/html/index.html
	$(BIN)/python docs/make_results.py
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html in a browser."

figures: .venv/ready-dev  ## the documentation's figures, made anew
	$(BIN)/python docs/make_figures.py
	$(BIN)/python docs/make_architecture.py

lowest: .venv/ready-dev  ## the fast tests with the lowest versions that pyproject.toml allows
	.ci/lowest

environments: .venv/ready-dev  ## the wheel in four empty environments: core, onnx, torch, train
	$(BIN)/python .ci/environments.py

open-iris: .venv/ready-dev  ## the adapter to open-iris with the real package, in an environment of its own
	$(BIN)/python .ci/open_iris.py

.venv/ready: pyproject.toml setup.py constraints.txt | .venv/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[torch]'
	@touch $@

.venv/ready-dev: pyproject.toml setup.py constraints.txt | .venv/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "irisstn needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv

clean:  ## remove what the commands made
	rm -rf .venv .venv-lowest out docs/_build .coverage
