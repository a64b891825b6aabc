# syntax=docker/dockerfile:1
# The image of Agon: the wheel of this repository with the locked dependencies, and nothing that builds anything.
#
#   docker build --tag agon:$(git rev-parse --short HEAD) .
#   docker run --read-only --tmpfs /tmp --volume agon-data:/var/lib/agon --publish 8000:8000 --env-file agon.env agon:…

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY tools/requirements/ tools/requirements/
RUN python -m venv /build/uv \
    && /build/uv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r tools/requirements/uv.txt \
    && python -m venv --without-pip /opt/agon
# Dependencies change less often than the code, so they have a layer of their own.
COPY pyproject.toml uv.lock ./
RUN UV_PROJECT_ENVIRONMENT=/opt/agon /build/uv/bin/uv sync --frozen --no-dev --no-install-project
COPY README.md LICENSE ./
COPY migrations/ migrations/
COPY src/ src/
RUN /build/uv/bin/uv build --wheel --build-constraints tools/requirements/build.txt --require-hashes \
    && /build/uv/bin/uv pip install --python /opt/agon/bin/python --no-deps dist/*.whl

FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 agon \
    && useradd --uid 10001 --gid agon --home-dir /var/lib/agon --no-create-home --shell /usr/sbin/nologin agon \
    && install --directory --owner agon --group agon --mode 0700 /var/lib/agon
COPY --from=build /opt/agon /opt/agon
ENV PATH=/opt/agon/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AGON_ENVIRONMENT=production \
    AGON_HOST=0.0.0.0 \
    AGON_DATA_DIR=/var/lib/agon
LABEL org.opencontainers.image.title="Agon" \
    org.opencontainers.image.description="The open, self-hosted platform for competition" \
    org.opencontainers.image.licenses="Apache-2.0"
# All that Agon writes goes here (and to /tmp), so the rest of the file system may be read-only.
WORKDIR /var/lib/agon
VOLUME /var/lib/agon
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('AGON_PORT', '8000') + '/health/live', timeout=2)"]
ENTRYPOINT ["agon"]
CMD ["serve"]
