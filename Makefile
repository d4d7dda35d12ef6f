# `make demo` runs the main job, `make test` the checks; both need Python 3.11 or newer, git and make, and set up the rest:
# the first what the demo needs, the second everything.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test setup lint types triton ziglang platforms wasm clean

demo: $(VENV)/.demo
	@$(BIN)/miniseg-demo --output build/demo

# Three processes for two cores, since many tests wait for something; each has whole files, whose tests share what they export.
WORKERS := import os; print(max(1, min(8, (os.cpu_count() or 1) * 3 // 2)))

test: setup lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $$($(PYTHON) -c '$(WORKERS)') --dist loadfile --no-loadscope-reorder

setup: $(VENV)/.ready

# All that the tests use; the demo needs less.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) .setup/environment.py $(VENV) dev
	@touch $@ $(VENV)/.demo

$(VENV)/.demo: pyproject.toml constraints.txt
	@$(PYTHON) .setup/environment.py $(VENV) demo
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vermin --quiet --no-tips --violations --target=3.10- miniseg_edge export runtimes benchmarks

# Type checkers do not follow the mapping of export/, runtimes/ and benchmarks/ into the package, so they read the wheel,
# which needs no compiled library for that.
types: setup
	rm -rf build/typing build/lib*
	MINISEG_EDGE_WITHOUT_LIBRARY=1 $(PIP) install --quiet --no-deps --target build/typing .
	$(BIN)/mypy

# A Triton server for tests/export/serving, with the numpy that it wants; nothing else uses it.
triton: build/triton/.ready

build/triton/.ready: | setup
	rm -rf build/triton
	$(PIP) install --quiet --no-deps --target build/triton nvidia-pytriton==0.7.0 'numpy<2'
	@touch $@

# The compiler that pip fetches where a machine has none, in a folder of its own: 411 MB. It compiles for other platforms, too.
ziglang: build/ziglang/.ready

build/ziglang/.ready: constraints.txt | setup
	rm -rf build/ziglang
	$(PIP) install --quiet --no-deps --constraint constraints.txt --target build/ziglang ziglang
	@touch $@

# libminiseg and a wheel for each platform, checked, and the same bits on all that can be run here (tests/native/platforms says
# what that takes).
platforms: setup ziglang
	bash .ci/platforms
	bash .ci/windows

# The library for WebAssembly: build/wasm/miniseg.wasm. The first time on a machine takes a minute (docs/native.md).
wasm: setup ziglang
	PYTHONPATH=build/ziglang $(BIN)/python -m miniseg_edge.native.wasm build/wasm

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
