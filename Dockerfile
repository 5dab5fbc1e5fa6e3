# One image for every part: the command after its name chooses the part (worker, bridge, topics ...).
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
# For the modules that are compiled; nothing of it is in the image that runs.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/mailing-trigger
COPY pyproject.toml hatch_build.py README.md ./
COPY schemas schemas
COPY streams streams
COPY producers producers
COPY mailing_trigger mailing_trigger
RUN /opt/mailing-trigger/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /dist . \
 && /opt/mailing-trigger/bin/pip install --no-cache-dir "$(echo /dist/*.whl)[deliver,rocksdb]"

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/mailing-trigger --create-home mailing-trigger
COPY --from=build /opt/mailing-trigger /opt/mailing-trigger
ENV PATH=/opt/mailing-trigger/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MAILING_TRIGGER_DATA_DIR=/var/lib/mailing-trigger
USER mailing-trigger
WORKDIR /var/lib/mailing-trigger
# Holds for every part: the broker answers and its topics are as ours must be.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
  CMD ["mailing-trigger", "topics", "check"]
ENTRYPOINT ["mailing-trigger"]
CMD ["--help"]
