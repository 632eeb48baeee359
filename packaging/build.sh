#!/bin/sh
# Builds a deb and an rpm into a directory: packaging/build.sh DIRECTORY VERSION
# It needs Go and nfpm (github.com/goreleaser/nfpm/v2/cmd/nfpm).
set -eu
OUT=$(mkdir -p "$1" && cd "$1" && pwd)
VERSION=$2
cd "$(dirname "$0")/.."
ARCH=$(go env GOARCH)
export OUT VERSION ARCH

mkdir -p "$OUT/bin" "$OUT/completion"
CGO_ENABLED=0 go build -trimpath -o "$OUT/bin/" ./cmd/socketserver ./cmd/socketserver-worker ./cmd/socketserver-worker-tls
"$OUT/bin/socketserver" man "$OUT/man" >/dev/null
gzip -9nf "$OUT"/man/*.[15]
for shell in bash zsh fish; do
	"$OUT/bin/socketserver" completion "$shell" >"$OUT/completion/$shell"
done
for format in deb rpm; do
	nfpm package --config packaging/nfpm.yaml --packager "$format" --target "$OUT"
done
