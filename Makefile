# make demo    train a small working-memory study, analyse it, and say where its report is
# make test    run the tests
# make check   lint, types, formatting, warnings as errors, sanitizers
# make bench   time every op and the training against plain PyTorch
# make gpu     on a machine with a GPU: build, tests, sanitizers, benchmarks; OUT=… takes the results
#
# Each but gpu sets up what it needs in .venv: pinned packages (constraints.txt) and the compiled ops.
# PYTHON=… names the interpreter (3.11 or later), MAX_JOBS=… the number of compilers at once.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach version,3.11 3.12 3.13 3,$(shell command -v python$(version))))
RUN := runs/demo

export MAX_JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# Old pip takes the first also into isolated builds; new pip wants the second for that.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Without an NVIDIA GPU, PyTorch without CUDA: 0.2 GB instead of 3.
CPU_TORCH := https://download.pytorch.org/whl/cpu

CPP := $(wildcard csrc/*/*.cpp csrc/*/*.h csrc/*/*.inc csrc/*/*.cu csrc/*/*.cuh)
CPP_TESTS := $(wildcard tests/cpp/*.cpp)
INSTALLED := $(VENV)/.installed
BUILT := $(VENV)/.built

.PHONY: demo test check bench gpu sanitize build clean
.DELETE_ON_ERROR:

demo: $(BUILT)
	$(BIN)/midiff train working-memory --preset quick --runs 4 --control --out $(RUN)

test: $(BUILT)
	$(BIN)/python -m pytest

bench: $(BUILT)
	set -e; for file in bench/[!_]*.py; do \
	  echo "== $$file"; $(BIN)/python -m bench.$$(basename $$file .py); done

# In the environment as it is: PYTHON=… or its python3 has torch with CUDA, and nothing is downloaded.
OUT := runs/gpu
gpu:
	PYTHON=$(if $(filter command line environment,$(origin PYTHON)),$(PYTHON),python3) \
	  tests/cuda/check.sh $(OUT) $(STAGES)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP) $(CPP_TESTS) $(wildcard tests/cpp/*.h)
	MIDIFF_WERROR=1 MIDIFF_NATIVE=1 $(BIN)/python setup.py -q build_ext --inplace
	@touch $(BUILT)
	$(MAKE) --no-print-directory sanitize

build: $(BUILT)

$(BUILT): $(INSTALLED) $(CPP) setup.py midiff_fast/_version.py
	$(BIN)/python setup.py -q build_ext --inplace
	@touch $@

# The compiled ops are built by the rule above, where make sees what has changed.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: Python 3.11 or later is needed; name one by PYTHON=python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	index=$$($(BIN)/python -c 'import shutil, urllib.request as u; shutil.which("nvidia-smi") or \
	  u.urlopen("$(CPU_TORCH)/torch/", timeout=5) and print("--extra-index-url $(CPU_TORCH)")' \
	  2>/dev/null); $(BIN)/pip install -q torch $$index
	$(BIN)/pip install -q setuptools pybind11 ninja
	MIDIFF_NATIVE=0 $(BIN)/pip install -q --no-build-isolation -e '.[dev]'
	@touch $@

# Each C++ test with the torch-free kernels of every instruction set, under address and undefined
# behaviour sanitizers.
SANITIZE := build/sanitize
CXX ?= c++
CXXFLAGS_SANITIZE := -std=c++17 -O1 -g1 -fno-omit-frame-pointer -Wall -Wextra -Wno-unknown-pragmas -Werror -I. \
  -pthread -fsanitize=address,undefined -fno-sanitize-recover=all
KERNELS := $(addprefix $(SANITIZE)/,amx.o avx512bf16.o avx512.o avx2.o baseline.o kernels.o)

sanitize: $(patsubst tests/cpp/%.cpp,$(SANITIZE)/%.passed,$(CPP_TESTS))

$(SANITIZE)/%.passed: $(SANITIZE)/%
	$<
	@touch $@

$(SANITIZE)/%: tests/cpp/%.cpp $(KERNELS) $(wildcard tests/cpp/*.h)
	$(CXX) $(CXXFLAGS_SANITIZE) $< $(KERNELS) -o $@

$(SANITIZE)/%.o: csrc/cpu/%.cpp $(CPP)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS_SANITIZE) -c $< -o $@

.PRECIOUS: $(SANITIZE)/%.o $(SANITIZE)/%

clean:
	rm -rf build dist *.egg-info midiff_fast/*.so $(BUILT)
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
