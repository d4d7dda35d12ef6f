# `make demo` runs the main job, `make test` the checks; both need Python 3.11 or newer, git and make, and set up the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test setup lint types triton ziglang platforms wasm clean

demo: setup
	$(BIN)/miniseg-demo --output build/demo

# A process a core, each with whole files, whose tests share what they export; no more threads than cores.
test: setup lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	@# opencv-python needs the system's libGL; where that is missing, the headless build does the same work.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	  echo "opencv-python lacks a system library here: taking opencv-python-headless instead"; \
	  $(PIP) uninstall --quiet --yes opencv-python && \
	  $(PIP) install --quiet --constraint constraints.txt opencv-python-headless && \
	  $(BIN)/python -c 'import cv2'; }
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
