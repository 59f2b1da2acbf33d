#!/usr/bin/env bash
# Runs the tests and, in parallel, the linter, and then prints the ten slowest tests and the total time.
#
#   build/test.sh full     everything, with the race detector where our own code runs concurrently
#   build/test.sh race     everything with the race detector
#   build/test.sh mysql    the tests that use a database server, on a real MySQL instead of MariaDB; without the linter
#   build/test.sh quick    only what needs no browser and no database but SQLite; without the linter
#
# The Makefile calls it. It reads
#
#   GO              the go command                                   (default: go)
#   TESTFLAGS       further flags of go test                         (default: none)
#   TEST_MYSQL_DSN  a MySQL or MariaDB server to test against        (default: a private server is started)
#   TEST_BUDGET     after which the tests of a package fail as hung  (default: 40m; no test depends on its duration)
set -euo pipefail
cd "$(dirname "$0")/.."

mode="${1:?full, race, mysql or quick}"
within="${2:-}" # "server" if a database server is already running
GO="${GO:-go}"
export TEST_BEGAN="${TEST_BEGAN:-$(date +%s)}"
read -ra more <<<"${TESTFLAGS:-}"
budget="${TEST_BUDGET:-40m}"
tools="${XDG_CACHE_HOME:-${HOME:-$PWD}/.cache}/azure-partner-connector/bin"
gotestsum_version=v1.13.0
gotestsum="$tools/gotestsum-$gotestsum_version"

# Tests whose names say that they need a database server, a browser or a program from npm; test-quick leaves them out.
# With TEST_QUICK, storetest and sandbox/browser fail any other test that asks for one.
needs_more='MySQL|MariaDB|Browser|Interop|/mariadb'

# refuse says what is missing and what works without it, and exits.
refuse() {
	printf '%s\n' "$@" >&2
	exit 1
}

# require_space refuses to start where the disk would fill up midway, because tests then fail with misleading errors.
require_space() {
	local need="$1" folder free
	shift
	for folder in "$@"; do
		while [ ! -d "$folder" ]; do folder="$(dirname "$folder")"; done
		free="$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')"
		if [ "$free" -lt "$need" ]; then
			refuse "Only $free MiB are free in $folder; this run needs about $need MiB there for compiled packages, browsers and databases." \
				"Free some space (\`$GO clean -cache\` empties the compiler's cache), or point GOCACHE, GOMODCACHE and TMPDIR to another disk." \
				"\`make test-quick\` needs least: 1500 MiB the first time, and 300 MiB later."
		fi
	done
}

# install_gotestsum installs gotestsum, which runs go test and reads its output.
install_gotestsum() {
	[ -x "$gotestsum" ] && return
	echo "Installing gotestsum $gotestsum_version: once, in less than half a minute."
	mkdir -p "$tools"
	# Install into a temporary folder first, because another run may be doing the same.
	local fresh
	fresh="$(mktemp -d "$tools/new.XXXXXX")"
	if ! GOBIN="$fresh" timeout 600 "$GO" install "gotest.tools/gotestsum@$gotestsum_version"; then
		rm -rf "$fresh"
		refuse "gotestsum cannot be installed: the Go module proxy must be reachable the first time." \
			"Without it, \`$GO test ./...\` runs the same tests."
	fi
	mv -f "$fresh/gotestsum" "$gotestsum"
	rm -rf "$fresh"
}

download_modules() {
	[ -x "$gotestsum" ] || echo "First run on this machine: Go modules and tools are downloaded, and packages are compiled, once; the first results appear after about three minutes."
	if ! timeout 600 "$GO" mod download; then
		refuse "The Go modules cannot be downloaded: the Go module proxy must be reachable the first time. Nothing can be built without them."
	fi
}

# prepare checks and installs everything that the tests need before it starts anything.
prepare() {
	local space
	case "$mode" in
	full | race | mysql) if [ -x "$gotestsum" ]; then space=1500; else space=6000; fi ;;
	quick) if [ -x "$gotestsum" ]; then space=300; else space=1500; fi ;;
	*) refuse "build/test.sh: full, race, mysql or quick, not $mode" ;;
	esac
	require_space "$space" "$("$GO" env GOCACHE)" "$("$GO" env GOMODCACHE)" "${TMPDIR:-/tmp}" "$PWD"
	download_modules
	install_gotestsum
}

if [ "$within" != server ]; then
	prepare
	if [ "$mode" = mysql ]; then
		export TEST_SERVER=mysql
	fi
	if [ "$mode" != quick ]; then
		"$GO" run ./connector/store/storetest/withserver -- "$0" "$mode" server
		exit
	fi
fi

reports="$(mktemp -d)"
lint_pid=""
finish() {
	[ -z "$lint_pid" ] || kill "$lint_pid" 2>/dev/null || true
	rm -rf "$reports"
}
trap finish EXIT
failed=""

# run NAME go-test-arguments … runs one group of tests.
run() {
	local name="$1"
	shift
	echo
	echo "== $name"
	"$gotestsum" --format pkgname --format-hide-empty-pkg --hide-summary skipped --jsonfile "$reports/$name.json" -- \
		-timeout "$budget" ${more[@]+"${more[@]}"} "$@" || failed="$failed $name"
}

start_lint() {
	make --no-print-directory lint >"$reports/lint.txt" 2>&1 &
	lint_pid=$!
}

await_lint() {
	local code=0
	wait "$lint_pid" || code=$?
	lint_pid=""
	echo
	if [ "$code" -eq 0 ]; then
		echo "== lint: nothing found"
	else
		echo "== lint"
		cat "$reports/lint.txt"
		failed="$failed lint"
	fi
}

# The race detector runs on the packages with concurrent code of our own, and on sandbox/walk, which runs everything
# together. Other tests mostly wait for a browser, and pack reads packages in one goroutine.
concurrent=(./connector/... ./hooks/... ./sandbox/microsoft/... ./sandbox/platform/... ./sandbox/walk)
alone=/connector/platform/pack

# SQLite is C, translated to Go; with the race detector in it, tests that store something take twice as long.
detector=(-race '-gcflags=modernc.org/...=-race=false')

# Where the linter runs, it runs govet on all packages and their tests, so go test need not do so again in each group.
linted=(-vet=off)

case "$mode" in
full)
	start_lint
	mapfile -t concurrent < <("$GO" list "${concurrent[@]}" | grep -v "$alone\$" | sort)
	CGO_ENABLED=1 run with-race-detector "${linted[@]}" "${detector[@]}" "${concurrent[@]}"
	mapfile -t rest < <(comm -23 <("$GO" list ./... | sort) <(printf '%s\n' "${concurrent[@]}"))
	run without "${linted[@]}" -p 3 "${rest[@]}" # they wait more than they compute
	await_lint
	;;
race)
	start_lint
	CGO_ENABLED=1 run with-race-detector "${linted[@]}" "${detector[@]}" ./...
	await_lint
	;;
mysql)
	# Everything that stores something. Subtests of SQLite prove nothing here.
	run mysql -skip '/sqlite' ./connector/... ./hooks/... ./sandbox/walk ./sandbox/world ./sandbox/chaos
	;;
quick)
	export TEST_QUICK=1
	mapfile -t quick < <("$GO" list ./... | grep -v -e '/sandbox/panel' -e '/sandbox/world' -e '/sandbox/chaos' -e '/sandbox/bench' -e '/sandbox/walk')
	run quick -skip "$needs_more" "${quick[@]}"
	;;
esac

echo
echo "The ten slowest tests:"
cat "$reports"/*.json >"$reports/all"
"$gotestsum" tool slowest --num 10 --jsonfile "$reports/all" | sed 's/^/  /'
took=$(($(date +%s) - TEST_BEGAN))
printf '\nTotal: %d min %02d s.\n' $((took / 60)) $((took % 60))
if [ -n "$failed" ]; then
	echo "Failed:$failed"
	exit 1
fi
echo "Everything passed."
