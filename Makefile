# SPDX-License-Identifier: GPL-2.0-only
# Every entry point. `make help` lists them; the work is done in scripts/ and
# in tools/testing/cxl/emulator/run.py.

BUILD ?= build
JOBS  ?= $(shell nproc)
override BUILD := $(abspath $(BUILD))
export BUILD JOBS KSRC FORCE ALL FLAVOURS PATCHES T COMPILER FUZZ_RUNS FUZZ_SECONDS CONFIG CONFIGURE_ONLY

RUN := python3 tools/testing/cxl/emulator/run.py
FUZZ := python3 tools/testing/cxl/fuzz/run.py

.PHONY: help demo check check-deep tree wip refresh series kernel cxl-test kunit guest-test stress \
	lint bisect boots docs fuzz fuzz-check fuzz-replay fuzz-merge shell bench clean setup configs cocci deb
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Variables: BUILD=$(BUILD)  JOBS=$(JOBS)"
	@echo "           KSRC=/path/to/linux  a 7.3 tree of your own (else Debian's is fetched)"

demo: kernel ## boot our kernel in QEMU, take memory from the device, use it, give it back
	@$(RUN) demo

check: ## all that CI runs: series, documents, fuzzing, all guest tests; last line: N passed, N failed
	@scripts/check

check-deep: ## the guest tests with KASAN, kmemleak and KCSAN, then boots (FLAVOURS=, T=: not); takes hours
	@scripts/check-deep

tree: setup ## kernel tree in BUILD/linux: a commit a patch (FORCE=1 drops your commits)
	@scripts/tree

refresh: ## write the commits of BUILD/linux back into patches/ and the new files
	@scripts/refresh

series: tree ## patches for `git am` in BUILD/series, proved on the pristine base
	@scripts/series

kernel: wip ## build the kernel tree as it is, work in progress included
	@scripts/kernel

cxl-test: kernel ## cxl_test's modules, with the mock device
	@scripts/cxl-test

kunit: wip ## KUnit suites, built in, in a kernel of their own
	@$(RUN) kunit

guest-test: cxl-test ## tests in QEMU: all, or T=name for one
	@$(RUN) test $(T)

stress: cxl-test ## many at once on three devices: STRESS_SECONDS=120, STRESS_SEED=
	@$(RUN) test stress

lint: wip ## W=1, sparse, checkpatch, kernel-doc
	@scripts/lint

bisect: kernel ## build every patch by itself, W=1 and sparse (COMPILER=clang-19)
	@scripts/bisect

boots: wip ## build and boot every patch by itself, and test it; takes an hour (PATCHES=1-9)
	@scripts/boots

docs: wip ## build the pages with Sphinx; every attribute and error is described
	@scripts/docs

configs: wip ## build drivers/cxl and drivers/dax in 14 other configurations, or T=name
	@scripts/configs $(T)

cocci: wip ## the kernel's coccinelle scripts over our files, or T=name
	@scripts/cocci $(T)

deb: wip ## Debian packages for a real machine (CONFIG=file, else Debian's); takes hours
	@scripts/deb

fuzz: wip ## fuzz the extent core and the wire in user space (FUZZ_RUNS=1000000)
	@$(FUZZ) runs

fuzz-check: wip ## the same for FUZZ_SECONDS=60
	@$(FUZZ) check

fuzz-replay: wip ## run one input again, and print what it does (INPUT=file)
	@$(FUZZ) replay $(INPUT)

fuzz-merge: wip ## keep what the last run found in the corpus of this repository
	@$(FUZZ) merge

shell: kernel ## boot and hand over a console with the device attached
	@$(RUN) shell

bench: kernel ## count mailbox commands and seconds for 1, 8 and 400 extents
	@$(RUN) bench

clean: ## remove what was built (ALL=1: the kernel tree and downloads, too)
	@scripts/clean

setup: ## install what is missing from Debian
	@scripts/setup

# Before a build: like `tree`, but commits not yet refreshed are no hindrance.
wip: setup
	@scripts/tree --ensure
