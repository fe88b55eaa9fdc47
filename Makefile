# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV = .venv

.PHONY: demo test lint coverage mutation site clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/ready
	$(VENV)/bin/lrp-ref explain models/efficientnet_lite0.onnx models/samples/chelsea.png

test: $(VENV)/ready
	$(VENV)/bin/python -m pytest

lint: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

coverage: $(VENV)/ready
	$(VENV)/bin/python -m pytest --cov --cov-report=term

# MUTATION='--file lrp_ref/rules/rule.py' or '--share 0.25' for less than everything.
mutation: $(VENV)/ready
	$(VENV)/bin/python -m pip install --quiet --editable '.[mutation]'
	$(VENV)/bin/python tests/mutation/mutation.py $(MUTATION)

$(VENV)/site: setup.cfg pyproject.toml docs/package-lock.json
	$(PYTHON) -m venv $(VENV)
	npm ci --prefix docs --no-audit --no-fund --loglevel=error & \
	$(VENV)/bin/python -m pip install --quiet --no-compile --editable '.[docs]' && wait $$!
	touch $@

# The pages of docs/, the course with the outputs of this code, and the reference: site/index.html needs no server.
site: $(VENV)/site
	$(VENV)/bin/sphinx-build -q -W -E -j2 -d docs/_build docs site

clean:
	rm -rf $(VENV) build dist site docs/_build docs/reference docs/node_modules *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache
