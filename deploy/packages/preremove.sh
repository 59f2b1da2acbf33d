#!/bin/sh
# Stops the service before its program goes, but not at an upgrade. Configuration, keys and database stay.
set -e
case "${1:-}" in
upgrade | failed-upgrade | 1) exit 0 ;;
esac
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	systemctl disable --now azure-partner-connector.service
fi
