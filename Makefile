# Every target sets up what it needs; docs/commands.md lists the plain commands beside each.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Small pictures: a core each for several processes is faster than several cores for one.
FAST_TESTS = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 8
# Tests of one file share a server, a browser or what they have built; tests/conftest.py keeps them together.
SLOW_TESTS = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n auto --maxprocesses 4 --dist loadgroup
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check lab studio notebooks class figures page site bench links clean

demo: $(VENV)/.installed
	$(BIN)/python -m nstlib village swirls --size 768 -o img/results/demo.png

test: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(FAST_TESTS)
	$(SLOW_TESTS)
	$(BIN)/python tools/colab_tests.py

# While you work: style, types and the fast tests, in some five minutes on two CPU cores.
check: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(FAST_TESTS)

# An uploaded picture comes in one message; Jupyter's own limit of 10 MB is small for photographs, so here it is 100 MB.
lab: export NST_UPLOAD_LIMIT = 104857600
lab: $(VENV)/.lab
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks '--ServerApp.tornado_settings={"websocket_max_message_size": $(NST_UPLOAD_LIMIT)}'

# The studio as a page without code; for a class: make studio STUDENTS=12 IP=0.0.0.0
studio: $(VENV)/.lab
	$(BIN)/python tools/studio.py --students $(or $(STUDENTS),1) --ip $(or $(IP),127.0.0.1)

# All of them, or: make notebooks ONLY=03
notebooks: $(VENV)/.tested
	$(BIN)/python tools/execute_notebooks.py $(ONLY)

# For a class, into build/class/: students' copies, answer copies, slides; or: make class ONLY=03
class: $(VENV)/.tested
	$(BIN)/python tools/class_copies.py $(ONLY)

# Everything in visualizations/ but backbones/ and the film of the studio. Figures of notebooks come from their outputs, so the notebooks run first.
figures: notebooks
	$(BIN)/python tools/figures.py

# The site, into build/site, from README and the notebooks as they were executed; build/page, where there is one, too.
site: $(VENV)/.site
	$(BIN)/python tools/build_site.py

# The page that paints in a browser, without a server, into build/page; needs npm
page: $(VENV)/.tested
	$(BIN)/python tools/build_page.py

# Speed and memory on this machine, into benchmarks/RESULTS.md; about three quarters of an hour on two CPU cores.
bench: $(VENV)/.installed
	$(BIN)/python benchmarks/bench.py

# Where the repository lives: make links REPO=owner/name, or as the remote "origin" says
links: $(VENV)/.tested
	$(BIN)/python tools/links.py $(REPO)

clean:
	rm -rf $(VENV) .venv-colab build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing nstlib and PyTorch into $(VENV); this takes a few minutes and 5 GB, once."
	$(PIP) --editable .
	@touch $@

$(VENV)/.tested: pyproject.toml | $(VENV)/.installed
	$(PIP) --editable ".[lab,test,class,site]"
	@touch $@

$(VENV)/.lab: pyproject.toml | $(VENV)/.installed
	$(PIP) --editable ".[lab]"
	@touch $@

$(VENV)/.site: pyproject.toml | $(VENV)/.installed
	$(PIP) --editable ".[site]"
	@touch $@
