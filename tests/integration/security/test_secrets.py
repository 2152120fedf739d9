"""Passwords are nowhere but in the environment: no argument, log line, error or span has them."""

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from tests.support.processes import eventually, in_session
from tests.support.secured_broker import ADMIN, KEY_PASSWORD, SecuredBroker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

WRONG = "canary-wrong-password"
DATABASE = "canary-database-password"
CLIENT_CONFIG = "canary-client-config"


class Spans:
    """An endpoint for traces that keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


@pytest.fixture
def spans() -> Iterator[Spans]:
    spans = Spans()
    with spans.listening():
        yield spans


class Watched:
    """Runs ``panda`` and keeps what can be seen of it from outside."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PANDA_")}
        self.folder = folder
        self.environment = {
            **ours,
            "PANDA_DATA_DIR": str(folder / "data"),
            "PANDA_LOG_LEVEL": "debug",
            "PANDA_CHECKPOINT_INTERVAL_SECONDS": "0.3",
            "PYTHONASYNCIODEBUG": "1",
            **variables,
        }
        self.seen: list[bytes] = []

    def run(self, *arguments: str, code: int = 0, **variables: str) -> str:
        with self.running(*arguments, **variables) as (process, log):
            process.wait(120)
        assert process.returncode == code, log.read_text("utf-8", "replace")
        return log.read_text("utf-8", "replace")

    @contextmanager
    def running(
        self, *arguments: str, **variables: str
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        log = self.folder / f"{len(self.seen):02}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "algo_panda", *arguments],
                cwd=self.folder,
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            watcher = threading.Thread(target=self._watch, args=(process,))
            watcher.start()
            try:
                yield process, log
            finally:
                for one in in_session(process.pid):
                    one.kill()
                process.kill()
                process.wait()
                watcher.join()
        self.seen.append(log.read_bytes())

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Note the arguments of the process and of its children while it runs."""
        known: set[int] = set()
        while process.poll() is None:
            try:
                family = [psutil.Process(process.pid)]
                family += family[0].children(recursive=True)
                for one in family:
                    if one.pid not in known:
                        self.seen.append(" ".join(one.cmdline()).encode())
                        known.add(one.pid)
            except psutil.NoSuchProcess:
                pass
            threading.Event().wait(0.02)


def forms(secret: str) -> list[bytes]:
    """A secret as it may stand somewhere: as it is, or in base64 at any of three alignments."""
    plain = secret.encode()
    coded = [base64.b64encode(b"\0" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, *coded, plain.hex().encode()]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_secrets_are_in_nothing_that_can_be_seen(
    mechanism: str, secured_kafka: SecuredBroker, spans: Spans, tmp_path: Path
) -> None:
    password = secured_kafka.passwords[ADMIN]
    watched = Watched(
        tmp_path,
        {
            **secured_kafka.variables(ADMIN, mechanism),
            "PANDA_KAFKA_SSL_CERT": str(secured_kafka.client.certificate),
            "PANDA_KAFKA_SSL_KEY": str(secured_kafka.client.key),
            "PANDA_KAFKA_SSL_KEY_PASSWORD": KEY_PASSWORD,
            "PANDA_KAFKA_CLIENT_CONFIG": '{"debug": "all"}',
            "PANDA_TRACING_ENDPOINT": spans.url,
            "PANDA_TRACING_RATIO": "1",
            # State of another database must not be continued.
            "PANDA_TOPIC_PREFIX": f"secrets-{mechanism.lower()}-",
        },
    )
    watched.run("topics", "apply")
    watched.run("db", "upgrade")
    watched.run("strategies", "add", "rules_rsi", "--instruments", "1001")
    watched.run("publish", "--synthetic", "--ticks", "200", "--instruments", "1001")
    with watched.running("worker", "runner", "--workers", "2") as (process, log):
        assert eventually(lambda: bool(spans.bodies), 100), log.read_text()[-3_000:]
        process.terminate()
        assert process.wait(60) == 0

    # What is wrong is told without it.
    watched.run("topics", "plan", code=4, PANDA_KAFKA_SASL_PASSWORD=WRONG)
    watched.run("worker", "runner", code=4, PANDA_KAFKA_SASL_PASSWORD=WRONG)
    watched.run("topics", "plan", code=3, PANDA_KAFKA_SSL_KEY_PASSWORD=WRONG)
    for config in (
        f'{{"a": {CLIENT_CONFIG}}}',
        f'["{CLIENT_CONFIG}"]',
        f'{{"sasl.password": "{CLIENT_CONFIG}"}}',
        f'{{"no.such.setting": "{CLIENT_CONFIG}"}}',
    ):
        watched.run("topics", "plan", code=3, PANDA_KAFKA_CLIENT_CONFIG=config)
    watched.run("topics", "plan", code=3, PANDA_KAFKA_SASL_MECHANISM=CLIENT_CONFIG)
    watched.run("topics", "plan", code=3, PANDA_KAFKA_SECURITY_PROTOCOL=CLIENT_CONFIG)
    url = f"postgresql://user:{DATABASE}@127.0.0.1:1/panda"
    watched.run("strategies", "list", code=5, PANDA_DATABASE_URL=url)
    watched.run("worker", "runner", code=5, PANDA_DATABASE_URL=url)
    watched.run("strategies", "list", code=3, PANDA_DATABASE_URL=url.replace(":1/", ":port/"))
    watched.run("dev", "status", code=4, PANDA_DATABASE_URL=url)

    everything = b"\n".join([*watched.seen, *spans.bodies])
    assert b"SASL" in everything, "the logs are those of debugging"
    assert b"aiokafka.conn" in everything
    for secret in (password, KEY_PASSWORD, WRONG, DATABASE, CLIENT_CONFIG):
        for form in forms(secret):
            assert form not in everything, secret
