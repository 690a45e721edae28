# Two commands do all of their own set-up in .venv:
#   make demo   the main job on a synthetic corpus: train, retrain, pack, evaluate, table and report
#   make test   everything that CI checks

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NATIVE := $(shell find engine decoders bindings -name '*.cpp' -o -name '*.h' -o -name 'CMakeLists.txt' 2>/dev/null)
CPP := $(shell git ls-files 'engine/*.cpp' 'engine/*.h' 'decoders/*.cpp' 'decoders/*.h' 'bindings/*.cpp' 'bindings/*.h' 2>/dev/null)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: demo test test-python test-cpp test-neon lint format clean wheel

demo: $(STAMP)
	$(BIN)/speechq run recipes/demo
	$(BIN)/speechq bench wer work/demo

test: lint test-cpp test-neon test-python

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP)

test-python: $(VENV)/.installed-dev
	$(BIN)/pytest -n $(JOBS) -m "not slow"

test-cpp: $(VENV)/.installed-dev
	$(BIN)/cmake -S . -B build/tests -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	    -DPython_EXECUTABLE=$(abspath $(BIN))/python -DSPEECHQ_TESTS=ON \
	    -DSPEECHQ_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
	$(BIN)/cmake --build build/tests
	$(BIN)/ctest --test-dir build/tests --output-on-failure

# The arithmetic of 64-bit Arm under an emulator (Debian: g++-aarch64-linux-gnu qemu-user).
test-neon: $(VENV)/.installed-dev
ifneq ($(and $(shell command -v aarch64-linux-gnu-g++),$(shell command -v qemu-aarch64)),)
	$(BIN)/cmake -S . -B build/neon -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	    -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake -DSPEECHQ_TESTS=ON -DCMAKE_BUILD_TYPE=Release
	$(BIN)/cmake --build build/neon --target speechq_engine_tests
	$(BIN)/ctest --test-dir build/neon -R network --output-on-failure
else
	@echo "test-neon: left out, as aarch64-linux-gnu-g++ and qemu-aarch64 are not both there"
endif

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

wheel: $(STAMP)
	$(BIN)/pip wheel . --no-deps -w dist

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt CMakeLists.txt cmake/kenlm.cmake $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,demo]'
	touch $@

$(VENV)/.installed-dev: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,demo,serve,dev]'
	touch $@
