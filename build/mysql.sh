#!/usr/bin/env bash
# Unpacks a MySQL server for tests into the user's cache, once, and prints the program that starts it. Debian's stable
# releases have none; Debian unstable has. Its packages are downloaded with apt-get from the mirror that this machine uses
# and unpacked, not installed: the server brings its own libraries and is started through its own dynamic loader, so that
# nothing of the system changes and nobody needs to be root.
#
#   build/mysql.sh          prepare the server
#   build/mysql.sh --path   only print where the program is, or will be
#
# See docs/reference/databases.md §1.
set -euo pipefail

suite=sid
server=mysql-server-core
cache="${XDG_CACHE_HOME:-${HOME:-$PWD}/.cache}/azure-partner-connector"
program="$cache/mysql/mysqld"

if [ "${1:-}" = --path ] || [ -x "$program" ]; then
	echo "$program"
	exit
fi

# give_up says why there is no server, and what works without it, and exits.
give_up() {
	printf 'There is no MySQL server to test against: %s\n' "$1" >&2
	echo "It is unpacked from Debian $suite, on Debian and with its mirror reachable. \`make test\` needs only MariaDB; with TEST_MYSQL_DSN the tests use a server that runs." >&2
	exit 1
}

for command in apt-get apt-cache dpkg-deb; do
	command -v "$command" >/dev/null || give_up "this machine has no $command"
done

mkdir -p "$cache"
fresh="$(mktemp -d "$cache/mysql.XXXXXX")"
trap 'rm -rf "$fresh"' EXIT
mkdir -p "$fresh"/apt/{lists/partial,archives/partial,preferences} "$fresh/packages" "$fresh/root"

# The machine's own mirror of Debian, in whatever form its sources name it.
# shellcheck disable=SC2016 # apt-get replaces these
mirror="$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(TARGET_OF) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
	awk '$1 == "Debian" && $2 == "main" && $3 == "deb" && $4 !~ /security\/?$/ { print $4; exit }')" || true
[ -n "$mirror" ] || give_up "the package sources of this machine name no mirror of Debian, or \`apt-get update\` has never run"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $suite main" >"$fresh/apt/sources.list"

# settings make apt use the sources and folders above instead of the system's.
settings=(
	-q
	-o "Dir::Etc::sourcelist=$fresh/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
	-o "Dir::Etc::preferencesparts=$fresh/apt/preferences" -o Dir::Etc::preferences=/dev/null
	-o "Dir::State::lists=$fresh/apt/lists" -o "Dir::Cache=$fresh/apt" -o "Dir::Cache::archives=$fresh/apt/archives"
	-o Debug::NoLocking=1 -o "APT::Sandbox::User=$(id -un)" -o Acquire::Languages=none
	-o Acquire::Retries=1 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30
)

echo "Unpacking a MySQL server from Debian $suite: once, for about a minute (a download of 60 MB, 260 MB on disk)." >&2
timeout 600 apt-get "${settings[@]}" update >"$fresh/log" 2>&1 || give_up "the package lists of Debian $suite cannot be read: $(tail -n 1 "$fresh/log")"

# The server and the libraries that it needs.
mapfile -t packages < <(apt-cache "${settings[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
	--no-replaces --no-enhances "$server" | grep -E "^($server|lib[a-z0-9]|zlib)" | sort -u)
[ ${#packages[@]} -gt 0 ] || give_up "Debian $suite has no package $server"
(cd "$fresh/packages" && timeout 1200 apt-get "${settings[@]}" download "${packages[@]}" >"$fresh/log" 2>&1) ||
	give_up "its packages cannot be downloaded: $(tail -n 1 "$fresh/log")"
for package in "$fresh"/packages/*.deb; do
	dpkg-deb --extract "$package" "$fresh/root"
done
rm -rf "$fresh/packages" "$fresh/apt" "$fresh/log" "$fresh"/root/usr/share/{doc,man,locale}

# inside prints a file below the root, as seen from the program.
inside() {
	local found
	found="$(cd "$fresh" && find root -path "*/$1" -print -quit)"
	[ -n "$found" ] || give_up "its packages contain no $1"
	printf '%s/%s' "\$here" "$found"
}
loader="$(inside 'ld-linux*.so.*')" libraries="$(inside libc.so.6)" daemon="$(inside sbin/mysqld)"
plugins="$(inside mysql/plugin/group_replication.so)" messages="$(inside share/mysql/charsets/Index.xml)"
cat >"$fresh/mysqld" <<SCRIPT
#!/bin/sh
# Starts the MySQL server in this folder with its own libraries. build/mysql.sh wrote it.
here="\$(cd "\$(dirname "\$0")" && pwd)"
exec "$loader" --library-path "${libraries%/*}" "$daemon" "\$@" \\
	--lc-messages-dir="${messages%/charsets/*}" --character-sets-dir="${messages%/*}" --plugin-dir="${plugins%/*}"
SCRIPT
chmod +x "$fresh/mysqld"
version="$("$fresh/mysqld" --version 2>&1)" || give_up "it does not start on this machine: $version"
echo "Unpacked${version##*mysqld}" >&2

# Another run may have been faster.
mv -T "$fresh" "$cache/mysql" 2>/dev/null || [ -x "$program" ] || give_up "$cache/mysql is in the way: remove it"
echo "$program"
