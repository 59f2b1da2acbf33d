# Building, checking and trying the product. `make` alone lists what there is.
#
#   GO                 the go command                                   (default: go)
#   TEST_MYSQL_DSN     a MySQL or MariaDB server to test against        (default: a private MariaDB is started)
#   TESTFLAGS          further flags of go test, for example -count=1
#   CHAOSFLAGS         flags of the chaos command, for example -only "each step"
#   BENCHFLAGS         flags of the bench command, for example -duration 1s -turns 2
#   VERSION            what the program calls itself                    (default: from git)

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
export GO TESTFLAGS

# Tools that are compiled once are kept for every checkout of this user.
XDG_CACHE_HOME   ?= $(if $(HOME),$(HOME),$(CURDIR))/.cache
TOOLS            := $(XDG_CACHE_HOME)/azure-partner-connector/bin
GOLANGCI_VERSION := v2.15.0
GOLANGCI         := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
ESLINT           := $(TOOLS)/eslint-$(shell cat build/eslint/* | cksum | cut -d ' ' -f 1)
SCRIPTS          := ui-extension/ui sandbox/panel connector/onboarding/assets
GOVULNCHECK      := golang.org/x/vuln/cmd/govulncheck@v1.1.4

# Debian keeps servers in sbin, which is not on every user's PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help test test-quick test-race test-mysql chaos torture bench lint vuln build notices release packages test-deploy package sandbox screens walk clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

test: ## install what is missing, then lint and run every test
	@build/prerequisites.sh gcc rsync mariadbd chromium node npm oauthlib wrk shellcheck promtool nginx caddy haproxy
	@build/test.sh full

test-race: ## as test, with the race detector everywhere
	@build/prerequisites.sh gcc rsync mariadbd chromium node npm oauthlib wrk shellcheck promtool nginx caddy haproxy
	@build/test.sh race

test-mysql: ## the tests that use a database server, on a real MySQL, which is unpacked into the cache once
	@build/prerequisites.sh rsync chromium node npm promtool
	@build/mysql.sh >/dev/null
	@build/test.sh mysql

test-quick: ## the tests that need no browser and no database but SQLite, for daily work
	@build/test.sh quick

chaos: ## kill, cut and stop everything in turn for up to 90 minutes, and see what holds; see docs/explanation/reliability.md
	@build/prerequisites.sh rsync mariadbd
	@build/mysql.sh >/dev/null
	@mkdir -p dist
	$(GO) run ./sandbox/chaos/command -summary dist/chaos.txt $(CHAOSFLAGS)

torture: chaos # the former name

bench: ## measure speed and size against the least that any program would cost, and write docs/explanation/benchmarks.md
	@build/prerequisites.sh mariadbd wrk
	@mkdir -p bin
	$(GO) build -o bin/bench ./sandbox/bench/command
	bin/bench -document docs/explanation/benchmarks.md $(BENCHFLAGS)

lint: $(GOLANGCI) $(ESLINT) ## check formatting, code, the directions of imports, scripts and the module file
	@build/prerequisites.sh shellcheck
	shellcheck build/*.sh deploy/*.sh deploy/packages/*.sh .ci/run
	$(ESLINT)/node_modules/.bin/eslint --config $(ESLINT)/eslint.config.js $(SCRIPTS)
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GOLANGCI) run ./...

$(GOLANGCI):
	@echo "Installing golangci-lint $(GOLANGCI_VERSION): once, for two to three minutes."
	@mkdir -p $(TOOLS)
	@fresh=$$(mktemp -d $(TOOLS)/new.XXXXXX) && \
	  if GOBIN=$$fresh timeout 1200 $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION); then \
	    mv -f $$fresh/golangci-lint $@ && rm -rf $$fresh; \
	  else \
	    rm -rf $$fresh; \
	    echo "golangci-lint cannot be installed: the Go module proxy must be reachable the first time. Without it, go vet ./... finds the most serious problems." >&2; \
	    exit 1; \
	  fi

$(ESLINT):
	@build/prerequisites.sh node npm
	@echo "Installing ESLint: once, for a few seconds."
	@mkdir -p $(TOOLS)
	@fresh=$$(mktemp -d $(TOOLS)/new.XXXXXX) && cp build/eslint/* $$fresh && \
	  if (cd $$fresh && timeout 300 npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000 >/dev/null); then \
	    rm -rf $@ && mv $$fresh $@; \
	  else \
	    rm -rf $$fresh; \
	    echo "ESLint cannot be installed: the npm registry must be reachable the first time. The tests of the screens run without it." >&2; \
	    exit 1; \
	  fi

vuln: ## look for known vulnerabilities in the dependencies; needs the Go vulnerability database
	$(GO) run $(GOVULNCHECK) ./...

# Equal sources and an equal compiler give an equal program.
BUILDFLAGS = -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"

build: ## build bin/connector, static and stripped
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o bin/connector ./connector

notices: ## write THIRD-PARTY-NOTICES.txt again, after a dependency changed
	$(GO) run ./build/release notices

release: ## build what a release publishes into dist/release: programs, package, bills of materials, notes and checksums
	@rm -rf dist/release && mkdir -p dist/release
	@$(GO) run ./build/release changes $(VERSION) > dist/release/NOTES.md
	cp LICENSE THIRD-PARTY-NOTICES.txt dist/release
	for arch in amd64 arm64; do \
	  program=dist/release/connector-linux-$$arch; \
	  CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build $(BUILDFLAGS) -o $$program ./connector && \
	  $(GO) run ./build/release sbom $$program $(VERSION) > $$program.cdx.json || exit 1; \
	done
	$(GO) run ./connector package build --out dist/release
	@find dist/release -type f | LC_ALL=C sort | xargs $(GO) run ./build/release sums > dist/SHA256SUMS && mv dist/SHA256SUMS dist/release
	@cat dist/release/SHA256SUMS

packages: ## build Debian and RPM packages of VERSION into dist/packages
	@deploy/packages.sh $(patsubst v%,%,$(VERSION))

test-deploy: ## try what deploy/ ships: the Helm chart, packages, their installation, the unit of systemd, a rolling restart behind each proxy sample
	@build/prerequisites.sh mariadbd nginx caddy haproxy
	cd deploy/helm/test && $(GO) test -count=1 ./...
	@deploy/test.sh
	$(GO) run ./connector/store/storetest/withserver -- $(GO) test -count=1 -tags rolling ./deploy -run Rolling -v

package: ## build dist/*.app.zip, what the platform imports
	$(GO) run ./connector package

sandbox: ## start the connector between a simulated Microsoft and a simulated platform, to try it
	$(GO) run ./sandbox

screens: ## take pictures of every screen and every page into dist/screens
	@build/prerequisites.sh chromium node npm promtool
	rm -rf dist/screens
	SCREENS=$(CURDIR)/dist/screens $(GO) test -count=1 -timeout 60m -run 'TestScreens_EveryState|TestPages_Every|TestGallery_' ./sandbox/panel
	SCREENS=$(CURDIR)/dist/screens $(GO) test -count=1 -timeout 60m -run 'TestPanel_ManualUpdate|TestPanel_EveryState|TestTerminal_|TestDashboard_' ./sandbox/world

walk: ## run the whole sandbox without a person, from installation to an expired token, and check every step
	$(GO) run ./sandbox --walk

clean: ## remove what was built, and the tools that were installed for it
	rm -rf bin dist .cache $(XDG_CACHE_HOME)/azure-partner-connector
