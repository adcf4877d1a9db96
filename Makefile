# make demo: a composite of a sample catalogue, from a fresh clone.   make test: everything that must hold.
#
# Both bring what they need: system packages (tools/install_system_packages.sh), a virtual environment, the extension.
# A second run skips what is done: stamps in the virtual environment say what has been installed from which sources.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# Targets are steps in an order; cargo runs in parallel by itself.
.NOTPARALLEL:

export PYTHON ?= python3
VENV ?= .venv
# Where rustup puts cargo, for shells that have not been told yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
# Outside the clone, so that PROJ (minutes) is compiled once however many clones there are.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/bestpixel/target
# Empty where there is no ccache. Recursive on purpose: it may be installed by the first step.
export CMAKE_C_COMPILER_LAUNCHER = $(shell command -v ccache)
export CMAKE_CXX_COMPILER_LAUNCHER = $(shell command -v ccache)
# PROJ is unpacked into another folder for each profile: without these two each would be compiled anew.
export CCACHE_BASEDIR ?= $(CARGO_TARGET_DIR)
export CCACHE_NOHASHDIR ?= 1

DEMO_BBOX ?= 17.3 45.1 18.8 45.9
DEMO_SAMPLE := demo/sample
DEMO_COMPOSITE := demo/composite

BIN := $(abspath $(VENV))/bin
STAMPS := $(VENV)/.bestpixel
# One interpreter for cargo, clippy and maturin: another one would have the binding compiled again.
export PYO3_PYTHON := $(BIN)/python
SPX_BUILD := $(CARGO_TARGET_DIR)/release/spx-build
CARGO := cargo
LOCKED := --locked
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust benches fuzz -name '*.rs' -o -name Cargo.toml)

.PHONY: demo test lint docs wheel licenses bench fuzz clean help system spx-build fmt imports clippy test-rust doc ruff mypy \
	stubtest pytest

help:
	@echo "make demo      a cloud-free composite of a sample catalogue: demo/composite"
	@echo "make test      formatting, lints, types, all tests, documentation, the wheel"
	@echo "make lint      formatting, lints and types"
	@echo "make docs      the site, its notebooks executed: site/"
	@echo "make wheel     wheel and sdist, checked and tried in an empty environment: dist/"
	@echo "make licenses  what a wheel says of its parts, after Cargo.lock has changed"
	@echo "make bench     micro-benchmarks, and full-size scenes beside odc-stac: benches/RESULTS.md"
	@echo "make fuzz      the TIFF reader under inputs that coverage leads, FUZZ_SECONDS for each target"
	@echo "make clean     remove what the others made in this clone"

# ---- demo

demo: system $(STAMPS)/extension spx-build
	$(BIN)/python -m bestpixel.sample $(DEMO_SAMPLE)
	$(SPX_BUILD) --bbox $(DEMO_BBOX) --datetime 2024-07-01/2024-07-31 --resolution 120 --endpoint earth-search \
		--catalog $(DEMO_SAMPLE)/items.json --out-dir $(DEMO_COMPOSITE)
	@echo
	@echo "composite: $(DEMO_COMPOSITE)/ (a GeoTIFF for each band, composite.json)"
	@echo "preview:   $(DEMO_COMPOSITE)/preview.png"

spx-build: system
	$(CARGO) build --release $(LOCKED) -p spx-build

# ---- test, in the order in which one wants to hear of mistakes

lint: system $(STAMPS)/dev fmt imports clippy doc $(STAMPS)/extension ruff mypy stubtest

test: system $(STAMPS)/dev fmt imports clippy test-rust doc $(STAMPS)/extension ruff mypy stubtest pytest docs wheel

fmt:
	$(CARGO) fmt --all --check

imports:
	$(BIN)/python tools/check_imports.py

clippy:
	$(CARGO) clippy --workspace --all-targets $(LOCKED) -- -D warnings

# nextest where it is installed: it runs tests of all crates at once. It knows no documentation tests.
test-rust:
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace $(LOCKED); \
	else \
		$(CARGO) test --workspace --lib --bins --tests $(LOCKED); \
	fi
	$(CARGO) test --workspace --doc $(LOCKED)

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps $(LOCKED)

ruff:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

mypy:
	$(BIN)/mypy

stubtest:
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml bestpixel._bestpixel

# With the server that the tests fetch from.
pytest:
	$(CARGO) build $(LOCKED) -p bestpixel-origin --bin origin
	$(BIN)/python -m pytest

# ---- what others get

# The notebooks are executed in docs/, on the sample catalogue there; a cell that fails fails the site.
docs: $(STAMPS)/dev $(STAMPS)/extension
	$(BIN)/python -m bestpixel.sample docs/$(DEMO_SAMPLE)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "documentation: site/index.html"

# Interpreters in which the wheel is tried, each in an empty environment.
TRY ?= $(PYTHON)

wheel: $(STAMPS)/dev $(STAMPS)/extension
	$(BIN)/python tools/licenses.py --check
	rm -rf dist
	$(BIN)/maturin build --release $(LOCKED) --out dist
	$(BIN)/maturin sdist --out dist
	$(BIN)/abi3audit --strict dist/*.whl
	$(BIN)/python -m bestpixel.sample $(DEMO_SAMPLE)
	$(BIN)/python tools/try_wheel.py dist/*.whl $(DEMO_SAMPLE)/items.json $(TRY)
	@ls -l dist

licenses:
	$(PYTHON) tools/licenses.py

FUZZ_SECONDS ?= 10
fuzz: system
	tools/fuzz.sh $(FUZZ_SECONDS)

# Full-size scenes (12 GB) are made once, in a quarter of an hour. BESTPIXEL_S2MOSAIC=PYTHON lets a peer take part.
bench: system $(STAMPS)/bench $(STAMPS)/extension
	$(CARGO) bench -p benches $(LOCKED)
	$(CARGO) build --release $(LOCKED) -p benches -p bestpixel-origin -p spx-build --bins
	$(BIN)/python benches/compare.py

# ---- what they need

system:
	@tools/install_system_packages.sh

$(STAMPS)/venv: | system
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1" # the first that knows dependency groups
	mkdir -p $(STAMPS)
	touch $@

$(STAMPS)/demo: $(STAMPS)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --group demo
	touch $@

$(STAMPS)/dev: $(STAMPS)/demo pyproject.toml
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

$(STAMPS)/bench: $(STAMPS)/dev pyproject.toml
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

# The extension lies in python/bestpixel; where somebody removed it the stamp is worth nothing.
$(STAMPS)/extension: $(STAMPS)/demo pyproject.toml $(RUST_SOURCES) $(if $(wildcard python/bestpixel/_bestpixel*.so),,FORCE)
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release $(LOCKED)
	touch $@

.PHONY: FORCE
FORCE:

# What cargo compiled stays: it lies outside the clone ($(CARGO_TARGET_DIR)) and may serve others.
clean:
	rm -rf $(VENV) demo dist docs/demo site python/bestpixel/_bestpixel*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find python tests tools -name __pycache__ -prune -exec rm -rf {} +
