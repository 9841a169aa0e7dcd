# Five commands, the same at home and in CI:
#   make bench      compare searches over a bundled benchmark, with real models on this machine
#   make test       the tests (under ten minutes on two cores)
#   make test-all   the slow ones too, clusters, and rounding of another kind of processor: `make test`, then `make test-slow`
#   make check      linter, formatter, types, spelling, order of packages
#   make wheel      build the wheel and test it without extras, in an environment of its own
# Everything lives in .venv. `EXTRA=gpu make bench` sets up for a CUDA machine; `make bench OUTPUT=folder` keeps the
# records there, and what a folder holds is not searched again.

PYTHON ?= python3
EXTRA ?= cpu
VENV ?= .venv
BIN := $(VENV)/bin
CONFIG ?= pocket
# one type on every machine, so that the processor does not move the table; of other recipes, what they say
DTYPE ?= $(if $(filter pocket %/pocket.yaml,$(CONFIG)),float32)
METHODS ?= best_of_n beam_search collective independent
OUTPUT =
LEFT_OUT := not slow and not gpu and not network and not browser and not ray
NOT_HERE := not gpu and not network
BARE := $(LEFT_OUT) and not hf and not vllm
# two processes, each with whole files, which share engines; a thread each: more would wait for each other on two cores
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
# kernels without vector instructions round otherwise, as another processor does
OTHER_PROCESSOR := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE

.PHONY: bench test test-slow test-all check wheel docs site pocket audit sbom clean

bench: $(VENV)/.ready
	$(BIN)/tt-scale bench --config "$(CONFIG)" $(METHODS:%=--method %) $(DTYPE:%=--dtype %) $(if $(OUTPUT),--output-dir "$(OUTPUT)")

test: $(VENV)/.ready
	$(PYTEST) -m "$(LEFT_OUT)"

test-slow: $(VENV)/.ready
	$(BIN)/pip install --quiet --quiet -e '.[report,browser,ray-serve]'
	$(PYTEST) -m "(slow or browser) and not ray and $(NOT_HERE)"
	$(PYTEST) -m "ray and $(NOT_HERE)"
	$(OTHER_PROCESSOR) $(PYTEST) --random-order --other-rounding -m "hf and not vllm and $(LEFT_OUT)"

test-all: test test-slow

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/lint-imports --no-logo

wheel:
	rm -rf dist build .venv-wheel
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip install --quiet --quiet build "pytest>=8.2" "pytest-asyncio>=0.26" "hypothesis>=6.100"
	.venv-wheel/bin/python -m build --wheel
	.venv-wheel/bin/pip install --quiet --quiet dist/*.whl
	cd tests && ../.venv-wheel/bin/python -m pytest -c ../pyproject.toml --rootdir . -m "$(BARE)" .

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c "import sys; old = sys.version_info < (3, 10); sys.exit('$(PYTHON) is Python %d.%d; tt_scale needs 3.10 or newer. Type: make PYTHON=python3.12' % sys.version_info[:2] if old else 0)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python tools/set_up.py $(EXTRA)
	@touch $@

# Trains the two models that are shipped, from nothing; under two hours on two cores. ARGUMENTS="--scale 0.01" is a quick try.
pocket: $(VENV)/.ready
	$(BIN)/pip install --quiet --quiet -e '.[plot]'
	$(BIN)/python -m training $(ARGUMENTS)

docs: $(VENV)/.ready
	$(BIN)/python -m tt_scale.scripts.example_yaml > tt_scale/config/example.yaml

# The documentation as a site that opens from disk; a broken link, or a page without a place, fails it.
site: $(VENV)/.ready
	$(BIN)/pip install --quiet --quiet -e '.[docs]'
	$(BIN)/mkdocs build --quiet --strict

# Known vulnerabilities of all that is installed; where the index cannot be asked, a line says so.
audit: $(VENV)/.ready
	@if $(MAKE) --silent .venv-tools/.ready; then .venv-tools/bin/python tools/audit.py $(VENV); \
	else echo "pip-audit cannot be installed here; nothing was audited."; fi

# What the wheel brings with it, as a bill of materials (CycloneDX): dist/tt_scale-VERSION.cdx.json
sbom: .venv-tools/.ready
	ls dist/*.whl > /dev/null 2>&1 || $(MAKE) wheel
	rm -rf .venv-sbom
	$(PYTHON) -m venv --without-pip .venv-sbom
	.venv-tools/bin/pip --python .venv-sbom/bin/python install --quiet --quiet dist/*.whl
	.venv-tools/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--output-file "$$(ls dist/*.whl | sed s/-py3-none-any.whl/.cdx.json/)" .venv-sbom/bin/python
	rm -rf .venv-sbom

.venv-tools/.ready: Makefile
	@$(PYTHON) -m venv .venv-tools
	@.venv-tools/bin/pip install --quiet --quiet "pip-audit>=2.9,<3" "cyclonedx-bom>=7,<8"
	@touch $@

clean:
	rm -rf $(VENV) .venv-wheel .venv-tools .venv-sbom build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache site
