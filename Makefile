# Two commands do all of their own set-up in .venv:
#   make demo   the main job on a synthetic corpus: train, retrain, pack, evaluate, table and report
#   make test   everything that CI checks

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NATIVE := $(shell find engine decoders bindings -name '*.cpp' -o -name '*.h' -o -name 'CMakeLists.txt' 2>/dev/null)
CPP := $(shell git ls-files '*.c' '*.cpp' '*.h' 2>/dev/null)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

CMAKE := $(BIN)/cmake -S . -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja

.PHONY: demo test test-python test-cpp test-c test-neon lint format clean wheel

demo: $(STAMP)
	$(BIN)/speechq run recipes/demo
	$(BIN)/speechq bench wer work/demo

test: lint test-cpp test-c test-neon test-python

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP)

test-python: $(VENV)/.installed-dev
	$(BIN)/pytest -n $(JOBS) -m "not slow"

test-cpp: $(VENV)/.installed-dev
	$(CMAKE) -B build/tests -DPython_EXECUTABLE=$(abspath $(BIN))/python -DSPEECHQ_KENLM=fetch -DSPEECHQ_TESTS=ON \
	    -DSPEECHQ_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
	$(BIN)/cmake --build build/tests
	$(BIN)/ctest --test-dir build/tests --output-on-failure

# The C library as it is installed, without sanitizers; KenLM's source is already there.
test-c: test-cpp
	$(CMAKE) -B build/c -DSPEECHQ_KENLM="$$(echo $(abspath build/tests)/kenlm-*)" -DSPEECHQ_TESTS=ON \
	    -DCMAKE_BUILD_TYPE=Release
	$(BIN)/cmake --build build/c --target speechq_shared speechq_static speechq_example speechq_c_tests \
	    speechq_c_write_sample
	$(BIN)/ctest --test-dir build/c -R 'c_interface|c_package' --output-on-failure

# The arithmetic of 64-bit Arm, and the C library without word n-grams, under an emulator (Debian:
# g++-aarch64-linux-gnu qemu-user).
test-neon: $(VENV)/.installed-dev
ifneq ($(and $(shell command -v aarch64-linux-gnu-g++),$(shell command -v qemu-aarch64)),)
	$(CMAKE) -B build/neon -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake -DSPEECHQ_KENLM=off \
	    -DSPEECHQ_TESTS=ON -DCMAKE_BUILD_TYPE=Release
	$(BIN)/cmake --build build/neon --target speechq_engine_tests speechq_decoder_tests speechq_c_tests speechq_example
	$(BIN)/ctest --test-dir build/neon -R 'network|decoder|c_interface' --output-on-failure
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

# --no-compile: byte code is written as modules are imported, which are far fewer than torch has.
$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(wildcard cmake/*.cmake) $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[train,demo]'
	touch $@

$(VENV)/.installed-dev: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,demo,serve,dev]'
	touch $@
