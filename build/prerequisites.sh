#!/usr/bin/env bash
# Installs the given commands, or the Python library oauthlib, with apt-get where they are missing, and says what they are
# needed for.
#
#   build/prerequisites.sh gcc mariadbd chromium
#
# It returns at once when nothing is missing.
set -euo pipefail

# Debian keeps servers in sbin, which is not on every user's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# package_of prints the Debian packages that contain a command.
package_of() {
	case "$1" in
	gcc) echo gcc libc6-dev ;;
	mariadbd) echo mariadb-server ;;
	rsync) echo rsync ;;
	chromium) echo chromium-headless-shell fonts-liberation ;;
	shellcheck) echo shellcheck ;;
	make) echo make ;;
	node) echo nodejs ca-certificates ;;
	npm) echo npm ca-certificates ;;
	oauthlib) echo python3 python3-oauthlib ;;
	wrk) echo wrk ;;
	promtool) echo prometheus ;;
	nginx) echo nginx-light ;;
	caddy) echo caddy ;;
	haproxy) echo haproxy ;;
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
	rsync) echo "a private MariaDB cluster copies its data with it" ;;
	chromium) echo "tests drive the screens and pages in a real browser" ;;
	shellcheck) echo "the linter checks shell scripts with it" ;;
	make) echo "it runs the Makefile" ;;
	node) echo "tests run our client against a certified OpenID provider, which runs on Node.js" ;;
	npm) echo "tests install with it that OpenID provider, Dojo, which the screens run on, and axe-core, which checks their accessibility" ;;
	oauthlib) echo "tests check our OAuth 1.0a signatures and our token endpoint against this Python library" ;;
	wrk) echo "benchmarks generate load with it" ;;
	promtool) echo "tests try the alert rules with it" ;;
	nginx | caddy | haproxy) echo "tests run the sample of this proxy, and another one restarts replicas behind it" ;;
	esac
}

# present reports whether a command exists, perhaps under another name, or a library of Debian's Python.
present() {
	case "$1" in
	chromium) command -v chromium-headless-shell || command -v chromium || command -v chromium-browser || command -v google-chrome ;;
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

# give_up says why nothing can be installed and what works without it, and exits.
give_up() {
	printf '%s\n' "$@" >&2
	echo "Without them, \`make test-quick\` (tests without browser and database server), \`go run ./sandbox\` and \`make build\` work: they need only Go." >&2
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

# apt installs without asking, waits for the lock of another apt instead of failing, and soon gives up on a registry that
# does not answer.
apt() {
	${privileged[@]+"${privileged[@]}"} env DEBIAN_FRONTEND=noninteractive timeout 1200 apt-get -q \
		-o DPkg::Lock::Timeout=300 -o Acquire::Retries=1 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}

echo "Installing with apt-get, once, for about a minute (up to 1 GB on disk): ${packages[*]}"
# A registry that cannot be reached only matters when the packages are not known from an earlier update.
apt update || echo "The Debian registry cannot be reached; trying with the package lists on this machine." >&2
if ! apt install -y --no-install-recommends "${packages[@]}"; then
	give_up "Installing failed: the Debian registry must be reachable. Install them by hand and run this again: apt-get install ${packages[*]}"
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
case " ${missing[*]} " in *" promtool "*)
	[ -d /run/systemd/system ] &&
		echo "The package may have started Prometheus; nothing here uses it. To stop it: systemctl disable --now prometheus"
	;;
esac
for proxy in nginx caddy haproxy; do
	case " ${missing[*]} " in *" $proxy "*)
		[ -d /run/systemd/system ] &&
			echo "The package may have started $proxy; nothing here uses it. To stop it: systemctl disable --now $proxy"
		;;
	esac
done
exit 0
