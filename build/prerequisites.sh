#!/usr/bin/env bash
# Makes sure that the given commands, and the Python library oauthlib, exist on this machine, installing what is missing
# by apt-get and saying why.
#
#   build/prerequisites.sh gcc mariadbd chromium
#
# It does nothing, quickly, when nothing is missing.
set -euo pipefail

# Debian keeps servers in sbin, which is not on everybody's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# package_of prints the Debian packages that bring a command.
package_of() {
	case "$1" in
	gcc) echo gcc libc6-dev ;;
	mariadbd) echo mariadb-server ;;
	rsync) echo rsync ;;
	chromium) echo chromium chromium-sandbox fonts-liberation ;;
	shellcheck) echo shellcheck ;;
	make) echo make ;;
	node) echo nodejs ca-certificates ;;
	npm) echo npm ca-certificates ;;
	oauthlib) echo python3 python3-oauthlib ;;
	wrk) echo wrk ;;
	*)
		echo "prerequisites.sh: no package is known for $1" >&2
		return 2
		;;
	esac
}

# reason_for prints what a command is needed for.
reason_for() {
	case "$1" in
	gcc) echo "the race detector needs cgo" ;;
	mariadbd) echo "tests run against a private MariaDB in a temporary folder" ;;
	rsync) echo "a private MariaDB cluster copies its data by it" ;;
	chromium) echo "tests drive the screens and pages in a real browser" ;;
	shellcheck) echo "shell scripts are checked by it" ;;
	make) echo "the Makefile is run by it" ;;
	node) echo "tests let a certified OpenID provider judge our client, and it runs on Node.js" ;;
	npm) echo "tests install by it that OpenID provider, the Dojo that the screens run on, and what examines them for accessibility" ;;
	oauthlib) echo "tests let this Python library judge our OAuth 1.0a signatures" ;;
	wrk) echo "benchmarks load programs by it" ;;
	esac
}

# present tells whether a command is there, be it by another of its names, or a library of Debian's Python.
present() {
	case "$1" in
	chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
	oauthlib) /usr/bin/python3 -c 'import oauthlib' 2>/dev/null ;;
	*) command -v "$1" ;;
	esac >/dev/null
}

missing=()
for name in "$@"; do
	package_of "$name" >/dev/null
	present "$name" || missing+=("$name")
done
if [ ${#missing[@]} -eq 0 ]; then
	exit 0
fi

packages=()
echo "Missing on this machine:"
for name in "${missing[@]}"; do
	read -ra of <<<"$(package_of "$name")"
	packages+=("${of[@]}")
	echo "  $name: $(reason_for "$name")"
done

# give_up says why nothing can be installed and what works all the same, and ends.
give_up() {
	printf '%s\n' "$@" >&2
	echo "Without them, \`make test-quick\` (tests without browser and database server), \`go run ./sandbox\` and \`make build\` work: they need Go alone." >&2
	exit 1
}

if ! command -v apt-get >/dev/null; then
	give_up "This machine has no apt-get. Install the commands above (in Debian's names: ${packages[*]}) and run this again."
fi

privileged=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		give_up "Installing needs root or sudo, and this user has neither. Let an administrator run: apt-get install ${packages[*]}"
	fi
	privileged=(sudo)
	# Nobody can type a password where there is no terminal: fail at once instead of waiting for one.
	[ -t 0 ] || privileged=(sudo -n)
fi

# apt installs without asking, waits for another apt instead of failing at its lock, and gives a registry that does not
# answer up soon instead of hanging.
apt() {
	${privileged[@]+"${privileged[@]}"} env DEBIAN_FRONTEND=noninteractive timeout 1200 apt-get -q \
		-o DPkg::Lock::Timeout=300 -o Acquire::Retries=1 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}

echo "Installing by apt-get, once, a minute or so (up to 1 GB on disk): ${packages[*]}"
# A registry that cannot be reached only matters when the packages are not known from an earlier update.
apt update || echo "The Debian registry cannot be reached; trying with the packages that are known here." >&2
if ! apt install -y --no-install-recommends "${packages[@]}"; then
	give_up "Installing failed: the Debian registry must be reachable. Install by hand and run this again: apt-get install ${packages[*]}"
fi

for name in "${missing[@]}"; do
	if ! present "$name"; then
		echo "$name is still missing after its package was installed. Put it on the PATH and run this again." >&2
		exit 1
	fi
done
case " ${missing[*]} " in *" mariadbd "*)
	[ -d /run/systemd/system ] &&
		echo "The package may have started MariaDB's own service; nothing here uses it. To stop it: systemctl disable --now mariadb"
	;;
esac
exit 0
