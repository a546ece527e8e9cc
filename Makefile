# Everything a developer runs. Needs Python 3.11 or newer with pip, make and git; the rest is fetched into this folder.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup system demo test check lint fuzz bench bench-batch soak clean

# Byte-code is kept, also where that is not usual: else each process of the tests makes it anew of all their files.
unexport PYTHONDONTWRITEBYTECODE

# The interpreter of the platform; by default the first of these that is new enough.
PYTHONS = $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14)

# No interpreter is downloaded: the one found above is used.
UV = UV_PYTHON_DOWNLOADS=never .uv/bin/uv
SYNC = UV_COMPILE_BYTECODE=1 $(UV) sync --locked --quiet --python "$$(cat .uv/python)"
PIP = PIP_ROOT_USER_ACTION=ignore "$$(cat .uv/python)" -m pip install --quiet --disable-pip-version-check --target .uv --upgrade \
	'uv>=0.9,<1'
LOCKED = uv.lock pyproject.toml worker/pyproject.toml

# Runs $(1) and prints a line every two seconds, so that nothing is silent for long.
define patiently
	@(while sleep 2; do echo '  ...'; done) & dots=$$!; \
	trap 'kill $$dots 2>/dev/null' EXIT INT TERM; \
	$(1)
endef

help:
	@printf '%s\n' \
	  'make setup   install the platform and the tools for working on it into .venv' \
	  'make demo    train two models, serve them side by side, roll back a bad release (about a minute)' \
	  'make test    all tests, after make system' \
	  'make system  install podman and what else tests of containers need, where no password is asked for' \
	  'make check   format, lint, types, layers and the unit tests; make lint leaves the tests out' \
	  'make bench   side-by-side benchmarks (about 45 minutes, 3 GB of packages)' \
	  'make bench-batch   batch scoring beside its limit and others (about two hours, 6 GB of packages and data)' \
	  'make soak    ten minutes of requests and a random fault every ten seconds; SECONDS=120 SEED=7 change that' \
  'make fuzz    a minute of searching for bytes that a parser cannot take; SECONDS=600 searches longer' \
	  'make clean   remove what the targets above have made' \
	  '' \
	  'PYTHON=/path/to/python chooses the interpreter (3.11 or newer).'

setup: .venv/setup.done
	@echo 'Ready: .venv/bin/penstock --help'

demo: .venv/run.done
	@.venv/bin/python examples/demo/demo.py

# The property tests try the same examples at each run and have no time limit; pytest alone tries new ones.
test: .venv/setup.done system
	@.venv/bin/pytest --hypothesis-profile ci --numprocesses 3 --dist loadfile --no-loadscope-reorder

# The tests say which of them were skipped, and why, where this could not be done.
system:
	$(call patiently,sh tests/system.sh .uv/system)

check: lint
	.venv/bin/pytest tests/unit

lint: .venv/setup.done
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/pyright
	.venv/bin/lint-imports

fuzz: .venv/setup.done
	@mkdir -p build/fuzz
	@for parser in requests expressions patterns contracts; do \
	  echo "Searching: $$parser"; \
	  .venv/bin/python tests/fuzz/fuzz.py $$parser -artifact_prefix=build/fuzz/ -verbosity=0 \
	    -max_total_time=$$(( $(or $(SECONDS),60) / 4 )) || exit 1; \
	done

bench: .venv/run.done
	$(call patiently,sh bench/system.sh)
	@.venv/bin/python bench/online/run.py --open
	@.venv/bin/python bench/environments/run.py

bench-batch: .venv/run.done
	@.venv/bin/python bench/batch/run.py
	@.venv/bin/python bench/batch/online_p99.py policies
	@.venv/bin/python bench/batch/online_p99.py job

# As root it has a fault more, a full disk.
soak: .venv/setup.done
	@.venv/bin/python bench/soak/run.py --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1)

clean:
	rm -rf .venv .uv .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist

# The platform alone; what `make setup` has added is left in place.
.venv/run.done: .uv/done $(LOCKED)
	@echo 'Installing the platform into .venv'
	$(call patiently,$(SYNC) --no-dev --inexact)
	@touch $@

.venv/setup.done: .uv/done $(LOCKED)
	@echo 'Installing the platform and its development tools into .venv'
	$(call patiently,$(SYNC) --all-groups --all-packages)
	@touch $@ .venv/run.done

# uv comes from the package index like everything else. `pip --target` needs no venv, which some systems leave out.
.uv/done:
	@set -e; mkdir -p .uv; rm -f .uv/python; echo '*' > .uv/.gitignore; \
	for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    "$$python" -c 'import sys; print(sys.executable)' > .uv/python; break; \
	  fi; \
	done; \
	if ! test -s .uv/python; then \
	  echo 'None of these is a Python 3.11 or newer with pip: $(PYTHONS).' >&2; \
	  echo 'Install one (Debian, Ubuntu: apt install python3 python3-pip), or name it: make PYTHON=/path/to/python' >&2; \
	  exit 1; \
	fi; \
	echo "Using $$(cat .uv/python)"; echo 'Installing uv into .uv'
	$(call patiently,$(PIP))
	@touch $@
