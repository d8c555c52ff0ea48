# make demo   environment, install, a crawl of real packages, a first answer
# make test   environment, install, every test that needs no GPU
# make lint   format, lint and types, README and docs against the code, the workflows
# make bench  what is measured on a CPU, beside its peers
# make bundle the index that comes with the package, made anew (see CONTRIBUTING.md)
# make wheel  the wheel, built, installed outside the tree and tried
# make dist   what is published: the program and the kernels, each a distribution of its own
# make kernels TRITON=3.8.0  the verified kernels under that release: interpreter, machine code
# make install, make install-kernels  just the environment, without or with torch and Triton

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO_DB ?= demo-index/index.duckdb
BUNDLE_DB ?= bundle-index/index.duckdb
DEMO_PACKAGES := pypi:flag-gems pypi:fla-core pypi:liger-kernel pypi:conch-triton-kernels

TRITON ?= 3.9.0

.PHONY: install install-kernels demo test lint bench bundle wheel dist kernels clean

install: $(VENV)/base.stamp
install-kernels: $(VENV)/kernels.stamp

# Everything is installed at the versions of constraints.txt, on every machine.
$(VENV)/base.stamp: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "triton-index needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt pip
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(VENV)/kernels.stamp: $(VENV)/base.stamp
	$(PIP) install --constraint constraints.txt --editable '.[kernels]'
	touch $@

$(VENV)/lint.stamp: $(VENV)/base.stamp
	$(PIP) install --constraint constraints.txt --group lint
	touch $@

$(VENV)/test.stamp: $(VENV)/base.stamp
	$(PIP) install --constraint constraints.txt --group test --editable '.[kernels]'
	touch $@

demo: $(VENV)/base.stamp
	$(BIN)/triton-index --db $(DEMO_DB) crawl $(DEMO_PACKAGES)
	$(BIN)/triton-index --db $(DEMO_DB) stats
	$(BIN)/triton-index --db $(DEMO_DB) search "fused rms norm with residual" --limit 10

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

lint: $(VENV)/lint.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases benchmarks
	$(BIN)/cog --check README.md docs/*.md
	$(BIN)/zizmor --offline --quiet --persona auditor .github
	$(BIN)/actionlint -shellcheck= -pyflakes=

bench: $(VENV)/base.stamp
	$(BIN)/python benchmarks/scan.py
	$(BIN)/python benchmarks/startup.py

wheel: $(VENV)/base.stamp
	$(BIN)/python scripts/try_wheel.py

dist: $(VENV)/lint.stamp
	$(BIN)/python -m build --outdir dist/application .
	$(BIN)/python -m build --wheel --outdir dist/kernels verified_kernels

# torch asks for one release of Triton; the kernels are to run on others too.
kernels: $(VENV)/kernels.stamp
	$(PIP) install --no-deps 'triton==$(TRITON)'
	$(if $(filter 3.6.%,$(TRITON)),$(PIP) install --no-deps 'numpy<2.4')
	$(BIN)/python -m verified_kernels.verify --device cpu --jobs 2
	$(BIN)/python -m verified_kernels.compile_only

# A source that fails stops nothing: what is known of the others is made.
bundle: $(VENV)/lint.stamp
	mkdir -p $(dir $(BUNDLE_DB))
ifdef CLONES
	$(BIN)/python scripts/offline_sources.py $(CLONES) > $(BUNDLE_DB).toml
	-$(BIN)/triton-index --db $(BUNDLE_DB) crawl --sources $(BUNDLE_DB).toml
else
	-$(BIN)/triton-index --db $(BUNDLE_DB) crawl --sources sources.toml
endif
	$(BIN)/triton-index --db $(BUNDLE_DB) verify import verified_kernels/results/h200.json
	$(BIN)/python scripts/make_bundle.py $(BUNDLE_DB)
	$(BIN)/cog -r README.md docs/*.md

clean:
	rm -rf $(VENV) demo-index bundle-index dist
