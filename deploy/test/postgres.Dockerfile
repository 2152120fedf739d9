# PostgreSQL from Debian's packages, for tests where the public image cannot be pulled.
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and PGDATA mean what they do in that image.
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE}
# postgresql-common comes first, so that it can be told to make no cluster of its own.
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-common \
    && echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf \
    && apt-get install -y --no-install-recommends postgresql-15 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o postgres -g postgres -m 3777 /var/run/postgresql \
    && install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data
COPY --chmod=755 deploy/test/postgres-entrypoint /usr/local/bin/
ENV PATH=/usr/lib/postgresql/15/bin:$PATH \
    PGDATA=/var/lib/postgresql/data \
    LANG=C.UTF-8
USER postgres
VOLUME /var/lib/postgresql/data
EXPOSE 5432
# A fast shutdown; on the default signal the server waits for its clients to leave.
STOPSIGNAL SIGINT
CMD ["postgres-entrypoint"]
