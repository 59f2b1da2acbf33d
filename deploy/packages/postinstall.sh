#!/bin/sh
# Creates the user of the service. It neither enables nor starts the service: it has no configuration yet.
set -e
root="${DPKG_ROOT:-}" # set when the package is installed into another folder than /
in_root="${root:+--prefix $root}"
if ! grep -q '^connector:' "$root/etc/group" 2>/dev/null; then
	# shellcheck disable=SC2086 # empty, or two words
	groupadd $in_root --system connector
fi
if ! grep -q '^connector:' "$root/etc/passwd" 2>/dev/null; then
	# shellcheck disable=SC2086
	useradd $in_root --system --gid connector --home-dir /var/lib/azure-partner-connector --no-create-home --shell /usr/sbin/nologin connector
fi
chgrp "$(grep '^connector:' "$root/etc/group" | cut -d: -f3)" "$root/etc/azure-partner-connector"
chmod 0750 "$root/etc/azure-partner-connector"
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# After an upgrade, a running service goes on with the new program.
	systemctl try-restart azure-partner-connector.service
fi
