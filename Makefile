# Every way in. Each target sets up what is missing for it first, so that none has to be remembered before another;
# the work is in scripts/.

.PHONY: help run test build fmt lint bench crash crash-full mutants screenshots watch setup

help:
	@echo 'make run          the app with a stand-in for Stripe and example customers, on http://127.0.0.1:3000'
	@echo 'make test         everything that proves it works'
	@echo 'make build        target/release/billhook, with its site beside it'
	@echo 'make watch        builds again at every change, and reloads the page'
	@echo 'make fmt          formats the Rust'
	@echo 'make lint         the part of it that needs no build: format, linters, licences, types'
	@echo 'make bench        the figures'
	@echo 'make crash        kills the program under load and counts what is lost; crash-full: for five minutes and more'
	@echo 'make mutants      breaks one promise at a time and demands that its tests fail; NAME=...: only that one'
	@echo 'make screenshots  pictures of every state of every page'
	@echo 'make setup        only what all of these need'

run:
	@scripts/run.sh

test:
	@scripts/test.sh

build:
	@scripts/build.sh

watch:
	@scripts/with.sh watch cargo leptos watch -- dev

fmt:
	@scripts/with.sh fmt cargo fmt --all

lint:
	@scripts/lint.sh

bench:
	@scripts/bench.sh

crash:
	@scripts/crash.sh

crash-full:
	@scripts/crash.sh --full

mutants:
	@scripts/mutants.sh $(NAME)

screenshots:
	@scripts/build.sh --quick --if-changed
	@scripts/with.sh test npm --prefix end2end run screenshots

setup:
	@scripts/setup.sh test
