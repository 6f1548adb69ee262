# Every word that CI and people use. `make help` lists them.
# `make setup` needs python3 (3.11 or later) with venv, make and git; it installs nothing outside .venv.

BIN := .venv/bin
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format docs example screenshots bench crash clean

help: ## List these words.
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Put everything into .venv, as the lock file says; quick when nothing changed.

.venv/.ready: uv.lock pyproject.toml tools/setup
	@tools/setup
	@touch $@

demo: setup ## Lead a workflow through its life on made-up invoices; stays up on a terminal.
	@$(BIN)/assay demo

test: setup ## Run the tests, against a PostgreSQL of their own.
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

check: setup ## Lint: style, types, which way imports go, declared dependencies.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/deptry .

format: setup ## Let ruff format and mend what it can.
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup ## Write docs/api.md and the README's settings again from the code.
	$(BIN)/python -m tools.reference

example: setup ## Measure examples/invoice-extraction again, and write docs/invoice-extraction.md.
	$(BIN)/python -m tools.invoice_extraction

screenshots: setup ## Take the pictures of the dashboard again, into docs/dashboard; needs Chromium.
	$(BIN)/python -m tools.screenshots $${PLAYWRIGHT_BROWSER:-/usr/bin/chromium}

bench: setup ## Measure, and print a table; takes some minutes.
	$(BIN)/python -m bench

crash: setup ## Kill processes at random while 200 runs are in flight, many times over.
	ASSAY_CRASH_ROUNDS=20 $(BIN)/pytest tests/crash

clean: ## Remove what can be made again.
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build
	find src tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} +
