# The image of goproxy-mirror: a Python, git, ssh, CA certificates, and the program with what it needs, all from pinned hashes.
# Where the usual registries are hard to reach: --build-arg BASE=… and --build-arg PIP_INDEX_URL=… name others.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv tools \
  && python -m venv --without-pip /opt/goproxy-mirror \
  && tools/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt \
  && tools/bin/pip --python /opt/goproxy-mirror/bin/python install --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN tools/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
  && tools/bin/pip --python /opt/goproxy-mirror/bin/python install --no-index --no-deps wheels/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="goproxy-mirror" \
  org.opencontainers.image.description="A Go module proxy that fetches every module from whichever of its homes can be reached" \
  org.opencontainers.image.licenses="MIT"
# The upgrade is for git's and the certificates' own dependencies too: the base image may be weeks old.
RUN apt-get update \
  && apt-get upgrade --yes \
  && apt-get install --yes --no-install-recommends ca-certificates git openssh-client \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
  && groupadd --gid 10001 goproxy \
  && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin goproxy \
  && install --directory --owner 10001 --group 10001 --mode 0750 /data
COPY --from=build /opt/goproxy-mirror /opt/goproxy-mirror
# Shows that the program starts here, and leaves the bytecode of what it imports: the base image has none of Python's own.
RUN git version && /opt/goproxy-mirror/bin/python -c "import goproxy_mirror.app, goproxy_mirror.cli.main"
# Settings as environment, so that flags after `serve` add to them. XDG_CONFIG_HOME: a file mounted at
# /etc/goproxy-mirror/config.toml is read without a flag.
ENV PATH=/opt/goproxy-mirror/bin:$PATH \
  PYTHONUNBUFFERED=1 \
  PYTHONDONTWRITEBYTECODE=1 \
  XDG_CONFIG_HOME=/etc \
  GOPROXY_MIRROR_LISTEN=:8081 \
  GOPROXY_MIRROR_DATA=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8081
STOPSIGNAL SIGTERM
# Says that the process answers; change it together with the port, or where TLS or a socket is set.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import socket; s = socket.create_connection(('127.0.0.1', 8081), 4); s.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'); raise SystemExit(b' 200 ' not in s.recv(99))"]
ENTRYPOINT ["goproxy-mirror"]
CMD ["serve"]
