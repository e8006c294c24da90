# The two commands of a newcomer are `make repro` and `make test`; both install what they need into .venv.

PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
# Each Python of the tests would compile the same files again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: repro test test-all check format bench league sizes roofline fuzz torture fuzz-guided locked lock newest release clean

repro: .venv/installed    ## real MNIST, tickets, retrainings, report
	dvc repro

test: .venv/installed-dev    ## fast and offline
	pytest -n auto --dist worksteal

test-all: .venv/installed-dev    ## and what takes seconds each, the page in a browser, and DVC's part
	pytest -n auto --dist worksteal -m 'not slow and not network and not slurm'

check: .venv/installed-dev    ## lint, format, types
	ruff check .
	ruff format --check .
	mypy

format: .venv/installed-dev
	ruff check --fix .
	ruff format .

bench: .venv/installed-dev    ## steps a second against plain PyTorch; wants an idle machine
	python benchmarks/training.py

league: .venv-league/installed    ## beside every peer; QUICK=1 for a third of it; goes on where it was
	.venv-league/bin/python benchmarks/league $(if $(QUICK),--quick) --write

sizes: .venv-league/installed    ## lthctl beside PyTorch for many sizes, batches and densities, 15 minutes
	.venv-league/bin/python benchmarks/league --only lthctl --rounds 3 --seconds 0.2 --checked 3 \
	  --shape lenet square colour deep largest --batch 32 128 512 --density 1 0.5 0.3 0.2 0.1 0.03 \
	  --results sizes.jsonl --write-sizes

roofline: .venv/installed-dev    ## where a step stands against the limits of this machine
	python benchmarks/roofline.py

fuzz: .venv/installed-dev    ## every reader against 100,000 mutated files, some minutes
	python -m tests.fuzz 100000 --json fuzz.json
	python -m tests.fuzz --json fuzz.json --write docs/RELIABILITY.md

torture: .venv/installed-dev    ## kills and faults at each call of small commands, for SECONDS; goes on where it was
	OMP_NUM_THREADS=1 python -m tests.torture $(or $(SECONDS),3600) --results torture.jsonl --write

# Of 17,000 files most are never imported: who imports one compiles it.
locked: .venv/bin/python    ## what CI tests: each package in the version and with the hash of the lock file
	pip install --quiet --no-compile --require-hashes --requirement requirements/ci.txt
	pip install --quiet --no-deps --no-build-isolation --editable .
	touch .venv/installed .venv/installed-dev

lock:    ## write the lock file anew, with the newest versions that pyproject.toml allows
	$(PYTHON) .ci/lock

newest:    ## once a week: the tests with the newest versions of everything, bounds or not
	.ci/newest

release:    ## wheel, sdist and the list of their parts in dist/, the same bytes each time
	.ci/release

fuzz-guided: .venv/installed-dev    ## a second fuzzer, guided by coverage, 1,000,000 inputs
	pip install --quiet --editable '.[fuzz]'
	python -m tests.guided 1000000

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch .venv/installed $@

.venv-league/installed: benchmarks/league/requirements.txt
	$(PYTHON) -m venv .venv-league
	PATH=$(CURDIR)/.venv-league/bin:$(PATH) && pip install --quiet --requirement $< && \
	  pip install --quiet --no-build-isolation --no-deps sparseprop==0.1.14 && \
	  pip install --quiet --no-deps --editable .
	touch $@

clean:    ## everything that can be made again, the dataset and the environment excepted
	rm -rf .lthctl masks/pipeline runs/pipeline .pytest_cache .mypy_cache .ruff_cache
