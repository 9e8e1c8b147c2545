# The server as one static binary on an empty image, run as nobody in particular.
# Built on this machine's own kind, also for another: Go needs no emulation.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src

# Modules first: this layer is rebuilt only when they change.
COPY go.mod go.sum ./
RUN go mod download

COPY *.go ./
COPY handlers ./handlers
COPY internal ./internal
COPY store ./store
# No cgo: the final image has no C library. -s -w leave out what only debuggers
# read, a third of the size; stack traces keep their names and lines.
# What --version and the start line name: --build-arg COMMIT=$(git rev-parse --short=12 HEAD)
ARG COMMIT=
# What --platform asks for; BuildKit says it.
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.commit=$COMMIT" -o /rest-sessions .

# The licences of what is linked ask that their texts go with it: a directory a module.
COPY LICENSE ./
COPY scripts/licenses ./scripts/
RUN CGO_ENABLED=0 scripts/licenses /licenses

FROM scratch
# For rediss://, to verify the certificate of Redis.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/doc/ca-certificates/copyright /licenses/ca-certificates/
COPY --from=build /licenses /licenses
COPY --from=build /rest-sessions /rest-sessions
# By number: there is no /etc/passwd to look a name up in, and Kubernetes'
# runAsNonRoot can check only a number.
USER 65532:65532
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/rest-sessions", "healthcheck"]
ENTRYPOINT ["/rest-sessions"]
