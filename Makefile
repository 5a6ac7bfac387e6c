# make demo | test | check | kafka | bench: each sets up .venv on first use.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
ARGS ?=
.PHONY: setup check test demo kafka bench clean

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	@echo "setting up .venv with $(PYTHON)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Four at a time on two cores: most tests wait for a broker's group to form.
test: setup
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile $(ARGS)

demo: setup
	@$(BIN)/telltale demo $(ARGS)

kafka: setup
	@$(BIN)/python -m pipeline.embedded.kafka_local $(ARGS)

bench: setup
	@$(BIN)/telltale bench $(ARGS)

clean:
	rm -rf .venv .run
