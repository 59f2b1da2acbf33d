# The connector as an image: one static program, CA certificates and time zones; no shell, no package manager, no root.
#
#   docker build --build-arg VERSION=1.2.3 -t azure-partner-connector:1.2.3 .
#   docker run --read-only --tmpfs /tmp -v connector-data:/data -v ./connector.yaml:/etc/connector/connector.yaml:ro \
#     -e CONNECTOR_CONFIG=/etc/connector/connector.yaml -p 8080:8080 -p 8081:8081 azure-partner-connector:1.2.3
#
# Relative paths in the configuration are relative to /data. See docs/guides/install.md.

FROM golang:1.26 AS build
WORKDIR /src

# Modules first: this layer stays cached while only code changes.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /image/connector ./connector

# The writable folders. scratch has no mkdir.
RUN mkdir -p /writable/data /writable/tmp && chmod 0700 /writable/data && chmod 1777 /writable/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /usr/share/
ENV ZONEINFO=/usr/share/zoneinfo.zip
COPY --from=build --chown=65532:65532 /writable/ /
COPY --from=build /image/connector /connector

USER 65532:65532
WORKDIR /data
VOLUME /data

# The listeners for hooks, onboarding, and metrics with probes. The last one listens on the loopback of the container unless
# CONNECTOR_PRIVATE__LISTEN changes it; it has no access control, so do not publish it.
EXPOSE 8080 8081 9090

ENTRYPOINT ["/connector"]
CMD ["serve"]
