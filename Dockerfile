# The connector as an image: one static program, CA certificates and time zones; no shell, no package manager, no root.
#
#   docker build --build-arg VERSION=1.2.3 -t azure-partner-connector:1.2.3 .
#   docker run --read-only --tmpfs /tmp -v connector-data:/data -v ./connector.yaml:/etc/connector/connector.yaml:ro \
#     -e CONNECTOR_CONFIG=/etc/connector/connector.yaml -p 8080:8080 -p 8081:8081 azure-partner-connector:1.2.3
#
# Relative paths in the configuration are relative to /data. See docs/guides/install.md.

# The exact compiler. A release also gives the digest of the image, so that nobody can replace it: docs/release.md.
ARG GO_VERSION=1.26.8
ARG GO_DIGEST=
FROM golang:${GO_VERSION}${GO_DIGEST} AS build
WORKDIR /src

# Modules first: this layer stays cached while only code changes.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /image/connector ./connector

# The writable folders. scratch has no mkdir.
RUN mkdir -p /writable/data /writable/tmp && chmod 0700 /writable/data && chmod 1777 /writable/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /usr/share/
ENV ZONEINFO=/usr/share/zoneinfo.zip
COPY --from=build --chown=65532:65532 /writable/ /
COPY --from=build /image/connector /connector
COPY LICENSE THIRD-PARTY-NOTICES.txt /

USER 65532:65532
WORKDIR /data
VOLUME /data

# In a container, the proxy in front is on another network. These are also the defaults, but the program warns of addresses that
# nobody has chosen.
ENV CONNECTOR_HOOKS__LISTEN=:8080 CONNECTOR_ONBOARDING__LISTEN=:8081

# The listeners for hooks, onboarding, and metrics with probes. The last one listens on the loopback of the container unless
# CONNECTOR_PRIVATE__LISTEN changes it; it has no access control, so do not publish it.
EXPOSE 8080 8081 9090

ENTRYPOINT ["/connector"]
CMD ["serve"]
