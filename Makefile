# rust_esauth: build, demo, test, install. `make help` lists the targets.
#
#   APXS=/path/to/apxs   the httpd to build for and to test with (default: apxs, else apxs2)
#   NGINX_SOURCE=/path   the configured sources of the nginx to build for (default: those of Debian's package nginx-dev)
#   ES_URL=http://…      your own Elasticsearch for demo and tests (default: fetch and start one)
#   HTTPS_PORT, HTTP_PORT, ES_PORT   ports of demo and tests (default: free ones)
#   SERVER=nginx         the demo with nginx (default: httpd)
#   FLEET=2              the demo with two httpd over one Redis, or up to nine (default: one, without Redis)
#   DESTDIR=/path        prefix of every path for install and uninstall

# Export only variables that are set: programs distinguish an empty variable from an absent one.
$(foreach name,APXS NGINX_SOURCE ES_URL SERVER FLEET DESTDIR HTTPS_PORT HTTP_PORT ES_PORT ESAUTH_MODULE,$(if $($(name)),$(eval export $(name))))

scripts := $(wildcard scripts/*.sh tests/e2e/*.sh) .ci/run

.DEFAULT_GOAL := all
.PHONY: all cli nginx deps deps-build can-build demo test test-backends test-nginx soak sanitize msrv models miri tsan arm soak-engine fuzz bench bench-instructions lint notices dist deb rpm test-dist test-packages test-hardening test-container install uninstall clean help

all: can-build ## Build target/release/librust_esauth.so; installs nothing on this machine
	@scripts/build.sh module

cli: can-build ## Build target/release/esauth, and its completions and all manual pages in target/esauth/
	@scripts/build.sh program

nginx: ## Build the nginx module, target/release/libngx_http_esauth_module.so; installs nothing on this machine
	@scripts/deps.sh nginx --check
	@scripts/build.sh nginx

deps: ## Install what building, demo and tests need (apt or dnf)
	@scripts/deps.sh all

deps-build: ## Install what building needs
	@scripts/deps.sh build

can-build:
	@scripts/deps.sh build --check

demo: deps $(if $(filter nginx,$(SERVER)),nginx,all) cli ## Run a real Elasticsearch behind httpd or nginx (SERVER=nginx) with TLS and prove each promise (DEMO=once: stop after the proofs; FLEET=2: two httpd over one Redis)
	@scripts/demo.sh $(DEMO)

test: deps all cli ## Run unit, integration and end-to-end tests
	@scripts/test.sh
	@scripts/oracle.sh elasticsearch-7
	@scripts/e2e.sh elasticsearch-7

test-backends: deps all cli ## Run the end-to-end tests on Elasticsearch 8 and 9 and OpenSearch 2 and 3, open, with their own security on, and with EsAuthRoles
	@scripts/deps.sh browser || echo "without Chromium, the tests with a browser are skipped"
	@env -u ES_URL scripts/e2e.sh elasticsearch-8
	@env -u ES_URL scripts/e2e.sh elasticsearch-8 secured
	@env -u ES_URL scripts/e2e.sh elasticsearch-9
	@env -u ES_URL scripts/e2e.sh elasticsearch-9 secured
	@env -u ES_URL scripts/e2e.sh opensearch-2
	@env -u ES_URL scripts/e2e.sh opensearch-2 secured
	@env -u ES_URL scripts/e2e.sh opensearch-3
	@env -u ES_URL scripts/e2e.sh opensearch-3 secured
	@for kind in elasticsearch-7 elasticsearch-8 elasticsearch-9 opensearch-2; do \
	    env -u ES_URL scripts/e2e.sh $$kind roles || exit; \
	done

test-nginx: deps nginx cli ## Test the nginx module end to end, on the installed nginx and on 1.28, built from the sources on crates.io
	@scripts/e2e.sh elasticsearch-8 nginx
	@source=$$(scripts/nginx_source.sh) && export NGINX_SOURCE=$$source && \
	    cargo build --profile test-programs --quiet -p esauth_nginx && \
	    cargo test --profile test-programs --quiet -p esauth_nginx && \
	    ESAUTH_NGINX_MODULE=$$PWD/target/test-programs/libngx_http_esauth_module.so scripts/e2e.sh elasticsearch-9 nginx

soak: deps all ## Run the long tests: crates' rules, generated configurations (SOAK=count, default 2000; ESAUTH_SEED=…), hostile clients, rewrites, memory; msrv, test-dist and test-packages
	@scripts/deny.sh --install && scripts/deny.sh
	@ESAUTH_CONFIGURATIONS=$(or $(SOAK),2000) ESAUTH_SEED=$${ESAUTH_SEED:-$$(date +%s)} \
	    cargo test --profile test-programs --quiet --test differential whatever_the_configuration -- --nocapture
	@ESAUTH_HALF_OPEN=10000 ESAUTH_HOSTILE=50000 cargo test --profile test-programs --quiet --test hostile
	@ESAUTH_REWRITES=1000 cargo test --profile test-programs --quiet --test rewrites -- --nocapture
	@ESAUTH_KILLS=500 cargo test --profile test-programs --quiet --test cache survives
	@ESAUTH_REQUESTS=10000000 cargo test --profile test-programs --quiet --test memory flat -- --nocapture
	@ESAUTH_BULK_MB=1024 cargo test --profile test-programs --quiet --test roles of_any_size -- --nocapture
	@$(MAKE) --no-print-directory demo FLEET=2 DEMO=once
	@$(MAKE) --no-print-directory test-nginx
	@cargo build --profile test-programs --quiet -p esauth_nginx
	@ESAUTH_NGINX_CONFIGURATIONS=400 ESAUTH_NGINX_HOSTILE=5000 ESAUTH_KILLS=500 ESAUTH_RELOADS=100 ESAUTH_REWRITES=1000 ESAUTH_SEED=$${ESAUTH_SEED:-$$(date +%s)} \
	    cargo test --profile test-programs --quiet -p esauth_nginx -- --nocapture
	@for kind in elasticsearch-7 elasticsearch-8 elasticsearch-9; do \
	    env -u ES_URL ESAUTH_ROLES_FILES=500 ESAUTH_REQUESTS=400 ESAUTH_SEED=$${ESAUTH_SEED:-$$(date +%s)} scripts/oracle.sh $$kind || exit; \
	done
	@$(MAKE) --no-print-directory soak-engine
	@scripts/fuzz.sh 30
	@$(MAKE) --no-print-directory msrv test-dist test-packages test-hardening test-container

sanitize: deps all ## Run the integration tests with the servers under Valgrind (SANITIZE="cache parity": only these)
	@scripts/deps.sh ci
	@scripts/sanitize.sh $(SANITIZE)

msrv: ## Check that everything compiles with the oldest Rust that Cargo.toml allows (rustup installs it)
	@scripts/msrv.sh

models: ## Check the shared table, the queue, the lockouts and the rates in every order of events (loom)
	@RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --quiet --release -p esauth_engine --lib model::

miri: ## Check the use of memory by table, queue, lockouts, rates and counters in an interpreter; needs a nightly compiler (MIRI=files::lines: other tests)
	@scripts/miri.sh $(MIRI)

tsan: ## Check the engine's threads for data races (ThreadSanitizer); needs a nightly compiler
	@scripts/tsan.sh

arm: ## Build the engine and the roles for 64-bit Arm and run their tests in an emulator (QEMU); needs Debian
	@scripts/deps.sh arm
	@scripts/arm.sh

soak-engine: models miri tsan arm ## Run all checks of the engine's memory and threads: models, miri, tsan, arm

fuzz: can-build ## Fuzz parsers and verdicts with cargo-fuzz; needs a nightly compiler (FUZZ=seconds for each of eight targets, default 60; ESAUTH_SEED=…)
	@scripts/fuzz.sh $(FUZZ)

bench: deps all ## Measure the cost of authentication, here and in other servers (BENCH=--quick: 3 minutes; BENCH=--help: more)
	@cargo build --release --quiet -p esauth_nginx
	@scripts/bench_deps.sh
	@python3 -B benches/httpd $(BENCH)

bench-instructions: all ## Count the instructions of a verdict and of a request (RECORD=1: write them to benches/instructions.txt)
	@scripts/deps.sh ci
	@scripts/bench_instructions.sh $(if $(RECORD),--record)

lint: can-build ## Check formatting, lints, import order (xtask/src/layers.rs), manual pages, the crates and their notices; warnings are errors
	@cargo fmt --all --check
	@cargo fmt --manifest-path fuzz/Cargo.toml --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@cargo run --quiet -p xtask -- layers
	@scripts/manual.sh
	@cargo run --quiet -p xtask -- notices --check
	@scripts/deny.sh
	@if command -v shellcheck >/dev/null; then shellcheck -x -P scripts $(scripts); else echo "shellcheck is not installed; scripts are not checked"; fi

notices: ## Write what the crates' licences demand of packages (after a change of Cargo.lock; make lint checks it)
	@cargo run --quiet -p xtask -- notices

dist: can-build ## Make the source tarball of the commit, with its crates: target/dist/rust_esauth-VERSION.tar.xz
	@scripts/dist.sh

deb: can-build ## Build a package for this machine's release of Debian or Ubuntu
	@scripts/deps.sh deb
	@scripts/package.sh deb

rpm: can-build ## Build a package for this machine's release of Red Hat or a relative
	@scripts/deps.sh rpm
	@scripts/package.sh rpm

test-dist: can-build ## Test the source tarball: packages from it without a network, twice the same bytes, lintian, rpmlint, the oldest Rust
	@scripts/deps.sh dist
	@scripts/dist_test.sh

test-packages: deps all cli ## Test both packages and follow the documentation in a clean root (needs root, network, minutes)
	@scripts/deps.sh packages
	@scripts/package_test.sh

test-hardening: deps all cli ## Run httpd as a service restricted by packaging/systemd/hardening.conf (needs root and systemd)
	@scripts/deps.sh packages
	@scripts/hardening_test.sh

test-container: deps all cli ## Build the image of packaging/container and run it (needs root, network, minutes)
	@scripts/deps.sh packages
	@scripts/container_test.sh

install: ## Install mod_rust_esauth.so, its configuration and its manual pages where apxs says (run make and make cli first)
	@scripts/install.sh install

uninstall: ## Remove the files that install put there
	@scripts/install.sh uninstall

clean: ## Remove everything built
	@cargo clean --quiet

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 — /p' $(MAKEFILE_LIST)
	@sed -n 's/^#   /  /p' $(MAKEFILE_LIST)
