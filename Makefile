# `make` alone prints what there is. Everything works from a fresh clone with the Rust toolchain,
# a C compiler and make; scripts/setup installs the rest, or names the line that does.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz setup

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: ## a whole login on this machine: IdP, Duo simulator, demo service providers
	@scripts/setup build
	$(CARGO) run --locked --quiet -- demo

test: ## every test, with real service providers, Duo's own clients and a real browser
	@scripts/setup test
	$(CARGO) test --locked --features oracle --no-fail-fast

check: ## format, lints, documentation, and licences and advisories where cargo-deny is installed
	@scripts/setup test
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --features oracle -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; \
	else echo "check: cargo-deny is not installed, so licences and advisories were not checked"; fi

bench: ## an SSO response beside one raw OpenSSL signature
	@scripts/setup build
	$(CARGO) bench --locked

fuzz: ## every fuzz target for 20 seconds under coverage (needs cargo-fuzz)
	@scripts/fuzz

setup: ## installs what the tests need, without running them
	@scripts/setup test
