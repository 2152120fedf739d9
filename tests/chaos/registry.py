"""A schema registry for storms: Confluent's interface over the schema files, with their ids.

It gives the ids of the files, so that everybody can read the records, also while it is away.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from algo_panda.kafka.ports import free_ports

_SCHEMAS = Path(__file__).parents[2] / "schemas"


class FileRegistry:
    """Serves on one port as long as it is used as a context; it can be away for a while."""

    def __init__(self, prefix: str = "") -> None:
        (self._port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}"
        index = yaml.safe_load((_SCHEMAS / "index.yaml").read_text("utf-8"))["schemas"]
        texts = {entry["id"]: (_SCHEMAS / entry["file"]).read_text("utf-8") for entry in index}
        known = {
            (f"{prefix}{entry['topic']}-value", _canonical(texts[entry["id"]])): entry["id"]
            for entry in index
        }
        self._handler = type("Handler", (_Handler,), {"known": known, "texts": texts})
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nobody answer at its address."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def _stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    known: dict[tuple[str, str], int]
    texts: dict[int, str]

    def do_GET(self) -> None:
        number = int(self.path.rpartition("/")[2])
        if number in self.texts:
            self._answer(200, {"schema": self.texts[number]})
        else:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
        found = self.known.get((self.path.split("/")[2], _canonical(asked)))
        if found is None:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})
        else:
            self._answer(200, {"id": found})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)
