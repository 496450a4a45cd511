# Limen as an image: the wheel is made in the first stage; the second holds Python, the locked packages and the wheel.

FROM python:3.11.13-slim-bookworm AS build
WORKDIR /src
COPY requirements/runtime.txt requirements/
RUN python -m venv /opt/limen \
    && /opt/limen/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY schemas schemas
COPY detectors detectors
COPY pipelines pipelines
COPY config config
RUN /opt/limen/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
    && /opt/limen/bin/pip uninstall --yes pip

FROM python:3.11.13-slim-bookworm
LABEL org.opencontainers.image.title="limen" \
      org.opencontainers.image.description="Watches how LLM applications behave and pages a human when it changes."
# A fixed number, so that a mounted volume can be given to this user before the container starts.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/limen --create-home --shell /usr/sbin/nologin limen
COPY --from=build /opt/limen /opt/limen
ENV PATH=/opt/limen/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/limen
VOLUME /var/lib/limen
EXPOSE 8321
# SIGTERM lets the running minute be committed before the end.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8321/-/healthy', timeout=4)"]
ENTRYPOINT ["limen"]
CMD ["run"]
