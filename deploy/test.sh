#!/usr/bin/env bash
# Tries what is shipped: the packages and the release are built twice, the package is installed into and removed from a folder, and
# systemd examines the unit.
#
#   deploy/test.sh
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"
fail() {
	echo "test-deploy: $*" >&2
	exit 1
}
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

echo "== packages are reproducible"
deploy/packages.sh 0.0.0-test >/dev/null
cp dist/packages/SHA256SUMS "$scratch/first"
deploy/packages.sh 0.0.0-test >/dev/null
diff "$scratch/first" dist/packages/SHA256SUMS || fail "a second build of the packages differs"

echo "== a release is reproducible"
make release VERSION=v0.1.0 >/dev/null
cp dist/release/SHA256SUMS "$scratch/release"
make release VERSION=v0.1.0 >/dev/null
diff "$scratch/release" dist/release/SHA256SUMS || fail "a second build of the release differs"
(cd dist/release && sha256sum --check --quiet --strict SHA256SUMS) || fail "the checksums of the release are wrong"
for arch in amd64 arm64; do
	grep -q " connector-linux-$arch\$" "$scratch/release" || fail "the release has no program for $arch"
done
head -3 dist/release/NOTES.md | grep -q '^### Upgrade notes' || fail "the notes do not begin with how to upgrade"

echo "== the Debian package installs and removes"
package=(dist/packages/azure-partner-connector_*_"$(dpkg --print-architecture)".deb)
root="$scratch/root"
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers" "$root/etc"
touch "$root/var/lib/dpkg/status" "$root/etc/passwd" "$root/etc/group" "$root/etc/shadow" "$root/etc/gshadow"
in_root() { dpkg --root="$root" --force-script-chrootless --force-depends --log="$scratch/log" "$@" >"$scratch/out" 2>&1 || { cat "$scratch/out" >&2; fail "dpkg $*"; }; }
in_root --install "${package[0]}"
"$root/usr/bin/connector" version | grep -q '^0.0.0-test$' || fail "the installed program does not say its version"
bash -c 'source "$1"; COMP_WORDS=(connector ten); COMP_CWORD=1; _connector; [ "${COMPREPLY[*]}" = tenants ]' bash \
	"$root/usr/share/bash-completion/completions/connector" || fail "bash does not complete the commands"
grep -q '^connector:' "$root/etc/passwd" || fail "the user of the service is missing"
[ "$(stat -c '%a %g' "$root/etc/azure-partner-connector")" = "750 $(grep '^connector:' "$root/etc/group" | cut -d: -f3)" ] ||
	fail "the folder of the configuration can be read by others than the service"
"$root/usr/bin/connector" config example >"$root/etc/azure-partner-connector/connector.yaml"
in_root --remove azure-partner-connector
[ ! -e "$root/usr/bin/connector" ] || fail "the program is left after the package was removed"
[ -e "$root/etc/azure-partner-connector/connector.yaml" ] || fail "the configuration was removed with the package"
in_root --install "${package[0]}" # again, where the user exists

echo "== the unit"
unit="$root/usr/lib/systemd/system/azure-partner-connector.service"
sed "s#/usr/bin/connector#$root/usr/bin/connector#" "$unit" >"$scratch/azure-partner-connector.service"
systemd-analyze verify --man=no "$scratch/azure-partner-connector.service" || fail "the unit is invalid"
exposure="$(systemd-analyze security --offline=yes --threshold=20 "$scratch/azure-partner-connector.service" | tail -1)" ||
	fail "the unit is exposed by more than 2.0: $exposure"
echo "$exposure"
echo "Everything passed."
