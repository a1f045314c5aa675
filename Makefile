# Everything starts from here. `make demo` and `make test` set up what they need in .venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

DEMO := runs/demo

.PHONY: help demo test lint bench clean tools

help:
	@echo "make demo   train on handwritten digits and write a report (a few minutes the first time)"
	@echo "make test   run all tests"
	@echo "make lint   check format, style and types"
	@echo "make bench  measure the core beside its peers"
	@echo "make clean  remove .venv, .bench and target"

demo: .venv/installed
	rm -rf $(DEMO)
	$(BIN)/qhypernet train digits --classes 0,1 --ansatz brickwork --layers 1 \
	  --start near_uniform --objective selbo --weight 3000:30 --inits 4 --steps 400 --out $(DEMO)
	$(BIN)/qhypernet report $(DEMO)

test: .venv/installed-dev
	cargo test --release --quiet -p qhypernet-core
	$(BIN)/python -m pytest -q

lint: .venv/installed-dev
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check python tests benches
	$(BIN)/ruff check python tests benches
	$(BIN)/mypy

bench: .venv/installed-bench
	cargo bench -p qhypernet-core
	$(BIN)/python benches/compare.py

clean:
	rm -rf .venv .bench target

# A stamp is renewed when the Rust sources or the metadata change; Python sources are used where they
# are. The second stamp covers the first.
.venv/installed: pyproject.toml $(RUST) | .venv/bin/python
	$(INSTALL) --editable .
	touch $@

.venv/installed-dev: pyproject.toml $(RUST) | .venv/bin/python
	$(INSTALL) --editable ".[dev]"
	touch $@ .venv/installed

# The peers of the benchmarks, as far as they can be installed.
.venv/installed-bench: pyproject.toml benches/_environments.py .venv/installed-dev
	$(BIN)/python benches/_environments.py
	touch $@

.venv/bin/python: | tools
	$(PYTHON) -m venv .venv

tools:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is missing: get it from https://www.python.org or your system's packages, or name it with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed; name another with make PYTHON=..."; exit 1; }
	@command -v cargo >/dev/null || { echo "Rust is missing: get it from https://rustup.rs"; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is missing: install gcc or clang from your system's packages (Debian: build-essential, macOS: xcode-select --install)"; exit 1; }
