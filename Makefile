# Holdfast: build, prove, install. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift
BINARY := .build/release/holdfast
# What is tested is what ships: the tests are built as the binary is, and along with it.
PROVE := HOLDFAST_BINARY="$(CURDIR)/$(BINARY)" $(SWIFT) test -c release

# What building and testing need beside the Swift toolchain (Debian and Ubuntu names).
PACKAGES := libarchive-dev libzstd-dev libsqlite3-dev zstd strace jq sqlite3
# What one test cannot do without, and says so: systemd-analyze, which checks the units.
CHECKERS := systemd

.PHONY: help deps build demo test torture nights live writers mutations coverage sanitize lint bench fuzz install clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s  %s\n", $$1, $$2 }' Makefile

deps: ## Install the system packages that are missing (apt-get; sudo when not root)
	@lacking() { \
	  for package in "$$@"; do \
	    state="$$(dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null || true)"; \
	    [[ "$$state" == installed ]] || echo "$$package"; \
	  done; \
	}; \
	missing=($$(lacking $(PACKAGES))); checkers=($$(lacking $(CHECKERS))); \
	if (( $${#missing[@]} + $${#checkers[@]} == 0 )); then echo "deps: all there"; exit 0; fi; \
	echo "deps: installing $${missing[*]} $${checkers[*]}"; \
	sudo=(); if (( EUID != 0 )); then sudo=(sudo); fi; \
	get() { \
	  (( $$# == 0 )) || "$${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -qq -y --no-install-recommends "$$@" >/dev/null; \
	}; \
	"$${sudo[@]}" apt-get update -qq; \
	get "$${missing[@]}"; \
	get "$${checkers[@]}" || echo "deps: no $${checkers[*]}: the test that needs it is skipped"; \
	echo "deps: done"

build: ## Build the release binary: .build/release/holdfast
	$(SWIFT) build -c release --product holdfast

demo: deps build ## Back up, damage and restore the samples in a scratch directory
	HOLDFAST_BINARY="$(CURDIR)/$(BINARY)" samples/demo.sh

test: deps build ## Run every test, against the release binary
	@log=.build/test.log; \
	$(PROVE) 2>&1 | tee "$$log" \
	  || { echo "what failed (all of it: $$log):"; awk '/^(✘|✔|◇)/ { shown = / recorded an issue/ } shown' "$$log" | cut -c 1-900 | tail -n 60; exit 1; }

TORTURE ?= FaultTests|PowerLossTests|SignalTests|ShortTransferTests|EnvironmentTests|LiveWriterTests

torture: deps build ## Every verb at every system call: failing, killed, stopped, without power (TORTURE=suites)
	HOLDFAST_TORTURE=1 $(if $(SEED),HOLDFAST_SEED=$(SEED)) \
	  $(PROVE) --filter '$(TORTURE)'

NIGHTS ?= 730

nights: deps build ## Two years of nights, and two hundred runs at once (NIGHTS=n, SEED=n repeats one)
	HOLDFAST_NIGHTS=$(NIGHTS) $(if $(SEED),HOLDFAST_SEED=$(SEED)) \
	  $(PROVE) --filter NightsTests

RUNS ?= 100000

live: deps build ## A run history of RUNS (100000), backed up ten times while it is written
	HOLDFAST_RUNS=$(RUNS) \
	  $(PROVE) --no-parallel --filter RunHistoryTests/backedUpWhileWritten

WRITES ?= 10000
KILLS ?= 200

writers: deps ## Four writers of each live store, WRITES (10000) changes each; each killed KILLS (200) times
	HOLDFAST_STORAGE_WRITES=$(WRITES) HOLDFAST_STORAGE_KILLS=$(KILLS) \
	  $(PROVE) --filter SeveralProcessesTests

MUTATIONS ?= 10000

mutations: deps build ## Salvage MUTATIONS (10000) damaged texts, databases and backups (SEED=n repeats one)
	HOLDFAST_MUTATIONS=$(MUTATIONS) $(if $(SEED),HOLDFAST_SEED=$(SEED)) \
	  $(PROVE) --filter MutationTests

# Counting costs system calls of its own: tests that count calls, or measure, may fail here. Optimised
# it takes a quarter of the time; what is inlined into another room may then count as not run.
COVERED ?= Disk Backup Salvage Migration
TESTS ?= .
LLVM ?= $(dir $(realpath $(shell command -v $(SWIFT))))
COVERAGE := .build/coverage

coverage: deps ## What of the rooms COVERED no test runs: .build/coverage/uncovered.txt (TESTS=suites)
	$(SWIFT) build -c release --build-tests --enable-code-coverage --scratch-path $(COVERAGE)
	rm -rf $(COVERAGE)/profiles
	@log=$(COVERAGE)/test.log; \
	LLVM_PROFILE_FILE="$(CURDIR)/$(COVERAGE)/profiles/%9m.profraw" \
	HOLDFAST_BINARY="$(CURDIR)/$(COVERAGE)/release/holdfast" \
	HOLDFAST_STORAGE_WORKER="$(CURDIR)/$(COVERAGE)/release/StorageWorker" \
	  $(SWIFT) test -c release --skip-build --scratch-path $(COVERAGE) --filter '$(TESTS)' >$$log 2>&1 \
	  || { echo "failed while they were counted (all of it: $$log):"; \
	    sed -n 's/^✘ Test \(.*\) failed after.*/  \1/p' $$log; }
	@# What was killed, or hit as it wrote its counts, has left an empty file or half of one.
	@find $(COVERAGE)/profiles -name '*.profraw' -size +0 >$(COVERAGE)/profiles.txt; \
	"$(LLVM)llvm-profdata" merge --sparse --failure-mode=all -f $(COVERAGE)/profiles.txt \
	  -o $(COVERAGE)/tests.profdata 2>$(COVERAGE)/merge.log || { cat $(COVERAGE)/merge.log; exit 1; }
	@counted() { \
	  "$(LLVM)llvm-cov" "$$@" $(COVERAGE)/release/holdfastPackageTests.xctest \
	    -object $(COVERAGE)/release/holdfast -object $(COVERAGE)/release/StorageWorker \
	    -instr-profile $(COVERAGE)/tests.profdata $(COVERED:%=Sources/%); \
	}; \
	counted show | awk '/^\// { file = $$0 } /^ +[0-9]+\| +0\|/ { if (file) print file; file = ""; print }' \
	  | sed 's|^$(CURDIR)/||' >$(COVERAGE)/uncovered.txt; \
	counted report | awk 'BEGIN { print "file lines missed covered" } \
	  /TOTAL|\.swift/ { print $$1, $$8, $$9, $$10 }' | column -t

SANITIZED ?= ^(LosslessJSON|Disk|Archive|Database|Salvage)Tests[.]|DamagedArchiveTests|SalvageKindTests
SANITIZE := .build/sanitize

# XCTest, which has no tests here, leaks 144 bytes of its own.
sanitize: deps ## What handles memory itself, under AddressSanitizer, leaks included (SANITIZED=suites)
	$(SWIFT) build -c release --build-tests --sanitize=address --scratch-path $(SANITIZE)
	HOLDFAST_BINARY="$(CURDIR)/$(SANITIZE)/release/holdfast" \
	HOLDFAST_STORAGE_WORKER="$(CURDIR)/$(SANITIZE)/release/StorageWorker" \
	  $(SWIFT) test -c release --skip-build --disable-xctest --sanitize=address \
	    --scratch-path $(SANITIZE) --filter '$(SANITIZED)'

lint: ## Check the formatting; warnings are errors in every build already
	$(SWIFT) format lint --strict -r Sources Tests Package.swift \
	  $(wildcard Benchmarks/Package.swift Benchmarks/Sources)

bench: deps build ## Measure against jq, restic, borg, sqlite-utils and DuckDB on the same data
	HOLDFAST_BINARY="$(CURDIR)/$(BINARY)" Benchmarks/run
	HOLDFAST_BINARY="$(CURDIR)/$(BINARY)" Benchmarks/migrate --one-record
	HOLDFAST_BINARY="$(CURDIR)/$(BINARY)" Benchmarks/salvage
	SWIFT="$(SWIFT)" Benchmarks/storage

FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= json rtfs pages frames

fuzz: deps ## Fuzz what reads damaged bytes, FUZZ_SECONDS (600) for each of FUZZ_TARGETS
	HOLDFAST_BINARY="$(CURDIR)/$(BINARY)" Tests/Fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# No `build` in front: with sudo there may be no toolchain.
$(BINARY):
	$(MAKE) build

install: $(BINARY) ## Install the built binary and shell completions under PREFIX (/usr/local)
	install -D -m 755 $(BINARY) "$(DESTDIR)$(PREFIX)/bin/holdfast"
	@completion() { \
	  install -d "$$(dirname "$$2")"; \
	  $(BINARY) --generate-completion-script "$$1" > "$$2"; \
	  chmod 644 "$$2"; \
	  echo "installed $$2"; \
	}; \
	share="$(DESTDIR)$(PREFIX)/share"; \
	completion bash "$$share/bash-completion/completions/holdfast"; \
	completion zsh "$$share/zsh/site-functions/_holdfast"; \
	completion fish "$$share/fish/vendor_completions.d/holdfast.fish"

clean: ## Remove what was built
	rm -rf .build
