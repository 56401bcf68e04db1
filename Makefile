# Each target sets up what it needs; the second call of any of them starts at once.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
python := .venv/bin/python

.PHONY: help run test faults check audit docs protos ready

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

run: ready ## learn to see and insert a plug on this machine; ARGS="--set a.b=c" is passed on
	@.venv/bin/s3k run --preset laptop $(ARGS)

test: ready ## all tests but those of `faults`; ARGS="-k stream" is passed on to pytest
	@$(python) -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not faults" $(ARGS)

faults: ready ## a real run whose parts are killed, stopped and damaged in turn; some minutes
	@$(python) -m pytest -m faults $(ARGS)

check: ready ## lint, format, types, import and security rules, generated code, manifests, links of the docs
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/bandit -q -c pyproject.toml -r s3k_dist actors learners deploy experiments benchmarks
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; PYTHON=$(python) scripts/protos.sh "$$fresh"; \
	diff -r -x __pycache__ -x __init__.py "$$fresh/s3k_dist/v1" s3k_dist/v1 \
	  || { echo "s3k_dist/v1 does not match protos/: run 'make protos'" >&2; exit 1; }; \
	echo "s3k_dist/v1 matches protos/"
	@$(python) -m deploy.monitoring --check
	@$(python) scripts/check_manifests.py
	@site=$$(mktemp -d); trap 'rm -rf "$$site"' EXIT; \
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict -d "$$site"; echo "docs/: no link is broken"

docs: ready ## the documentation as a site, in build/site
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict -d build/site
	@echo "build/site/index.html"

audit: ready ## known vulnerabilities of the pinned packages; asks an index, so it is no part of `check`
	@.venv/bin/pip-audit --strict --disable-pip --no-deps -r constraints.txt

protos: ready ## generate s3k_dist/v1 from protos/
	@PYTHON=$(python) scripts/protos.sh

ready:
	@scripts/setup.sh
