# Building, checking and trying the product. `make` alone lists what there is.
#
#   GO                 the go command                                   (default: go)
#   TEST_MYSQL_DSN     a MySQL or MariaDB server to test against        (default: a private MariaDB is started)
#   TESTFLAGS          what `make test` hands to go test
#   TORTUREFLAGS       what `make torture` hands to the harness, as -only "every step"
#   BENCHFLAGS         what `make bench` hands to the benchmark, as -duration 1s -turns 2
#   VERSION            what the program calls itself                    (default: from git)

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Two packages at a time: several start browsers and databases of their own, which would only wait for each other.
TESTFLAGS ?= -race -p 2 -timeout 20m

GOLANGCI_VERSION := v2.15.0
GOLANGCI         := $(CURDIR)/.cache/bin/$(GOLANGCI_VERSION)/golangci-lint
WITH_MARIADB     := ./connector/store/storetest/withmariadb

# Debian keeps servers in sbin, which is not on everybody's PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help test torture bench lint build package sandbox screens walk clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

test: ## install what is missing, then lint and run every test with the race detector
	@build/prerequisites.sh gcc rsync mariadbd chromium node npm oauthlib wrk
	@$(MAKE) --no-print-directory lint
ifdef TEST_MYSQL_DSN
	CGO_ENABLED=1 $(GO) test $(TESTFLAGS) ./...
else
	CGO_ENABLED=1 $(GO) run $(WITH_MARIADB) -- $(GO) test $(TESTFLAGS) ./...
endif

torture: ## kill, cut and stop everything in turn for most of an hour, and see what holds; see docs/reliability.md
	@build/prerequisites.sh rsync mariadbd
	@mkdir -p dist
	$(GO) run ./sandbox/torture/full -summary dist/torture.txt $(TORTUREFLAGS)

bench: ## measure speed and size against the least that any program would cost, and write docs/benchmarks.md
	@build/prerequisites.sh mariadbd wrk
	@mkdir -p bin
	$(GO) build -o bin/bench ./sandbox/bench/command
	bin/bench -document docs/benchmarks.md $(BENCHFLAGS)

lint: $(GOLANGCI) ## check formatting, code, the directions of the house, scripts and the module file
	@build/prerequisites.sh shellcheck
	shellcheck build/*.sh .ci/run
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GOLANGCI) run ./...

$(GOLANGCI):
	@echo "Installing golangci-lint $(GOLANGCI_VERSION) into .cache/bin: once, a minute or two."
	GOBIN=$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

build: ## build bin/connector, static and stripped
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/connector ./connector

package: ## build dist/*.app.zip, what the platform imports
	$(GO) run ./connector package

sandbox: ## start the connector between a simulated Microsoft and a simulated platform, to try it
	$(GO) run ./sandbox

screens: ## take the pictures of docs/screens anew: every screen and every page, as tests see them
	@build/prerequisites.sh chromium
	rm -rf docs/screens
	SCREENS=$(CURDIR)/docs/screens $(GO) test -count=1 -timeout 20m -run 'TestEveryScreen|TestEveryPage|TestPicturesAreThere' ./sandbox/panel
	SCREENS=$(CURDIR)/docs/screens $(GO) test -count=1 -timeout 20m -run 'TestPanel_ManualUpdate|TestPanel_EveryState' ./sandbox/world

walk: ## go the whole way through the sandbox, from installing to an expired token, checking every step
	$(GO) run ./sandbox --walk

clean: ## remove what was built and the tools that were installed for it
	rm -rf bin dist .cache
