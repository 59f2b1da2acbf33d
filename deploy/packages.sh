#!/usr/bin/env bash
# Builds the Debian and RPM packages of a version for amd64 and arm64 into dist/packages.
#
#   deploy/packages.sh 0.1.0
#
# It reads GO, the go command (default: go).
set -euo pipefail
cd "$(dirname "$0")/.."
version="${1:?a version, for example 0.1.0}"
GO="${GO:-go}"
# The last version of nfpm whose modules every proxy serves.
nfpm="github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4"
out=dist/packages
rm -rf "$out"
mkdir -p "$out"
# Equal sources give equal packages: their times are those of the last commit.
SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)"
export SOURCE_DATE_EPOCH
"$GO" run ./connector completion bash >"$out/connector.bash"
for ARCH in amd64 arm64; do
	BINARY="$out/connector-$ARCH"
	CGO_ENABLED=0 GOOS=linux GOARCH="$ARCH" "$GO" build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$BINARY" ./connector
	export ARCH BINARY VERSION="$version"
	for packager in deb rpm; do
		GOFLAGS='' "$GO" run "$nfpm" package --config deploy/nfpm.yaml --packager "$packager" --target "$out/"
	done
done
(cd "$out" && sha256sum ./*.deb ./*.rpm connector-* >SHA256SUMS)
cat "$out/SHA256SUMS"
