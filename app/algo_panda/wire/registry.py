"""Schema ids from a registry that speaks Confluent's HTTP interface.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html. A client of one's
own because confluent-kafka's wants five more packages, and its ``avro`` extra one that takes
the import name of avro-python3.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from algo_panda.wire.catalogue import Catalogue, SchemaError, SchemaVersion
from algo_panda.wire.compatibility import Schema
from algo_panda.wire.sources import CatalogueSource

COMPATIBILITY: Final = "FULL_TRANSITIVE"
TIMEOUT_SECONDS: Final = 10.0
_NOT_FOUND: Final = frozenset({40401, 40402, 40403})
"""The interface's own codes: no such subject, version, schema."""

_JSON: Final = "application/vnd.schemaregistry.v1+json"


class RegistryError(SchemaError):
    """The registry is out of reach, refuses us, or holds schemas that ours cannot follow."""


class NotInRegistryError(RegistryError):
    """The registry does not know what was asked for."""


class RegistryClient:
    """The few calls that are needed of a registry."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Make one.

        Args:
            url: such as ``https://user:password@host:8081/prefix``.
            timeout_seconds: how long one call may take.

        Raises:
            RegistryError: ``url`` is no http or https address.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RegistryError("the schema registry's address is no http or https URL")
        host = parts.netloc.rpartition("@")[2]
        self._base = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._timeout = timeout_seconds
        self._headers = {"Accept": _JSON, "Content-Type": _JSON}
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            token = base64.b64encode(user.encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def schema(self, schema_id: int) -> Mapping[str, Any]:
        """The registry's answer about an id: ``schema``, and ``schemaType`` where not Avro.

        Raises:
            NotInRegistryError: it knows no such id.
            RegistryError: it cannot be asked.
        """
        return self._call("GET", f"/schemas/ids/{schema_id}")

    def look_up(self, subject: str, text: str) -> int:
        """The id of the schema ``text`` under ``subject``.

        Raises:
            NotInRegistryError: it is not there.
            RegistryError: the registry cannot be asked.
        """
        return int(self._call("POST", f"/subjects/{quote(subject)}", schema=text)["id"])

    def register(self, subject: str, text: str) -> int:
        """Put the schema ``text`` under ``subject``; its id.

        Raises:
            RegistryError: it does not fit those before it, or the registry cannot be asked.
        """
        path = f"/subjects/{quote(subject)}/versions"
        return int(self._call("POST", path, schema=text)["id"])

    def require_compatibility(self, subject: str, level: str) -> None:
        """Have the registry hold later schemas of ``subject`` to ``level``.

        Raises:
            RegistryError: the registry cannot be asked, or refuses.
        """
        self._call("PUT", f"/config/{quote(subject)}", compatibility=level)

    def _call(self, method: str, path: str, **body: str) -> dict[str, Any]:
        request = Request(  # noqa: S310 - the scheme was checked
            self._base + path,
            data=json.dumps(body).encode() if body else None,
            headers=self._headers,
            method=method,
        )
        try:
            with urlopen(request, timeout=self._timeout) as answer:  # noqa: S310 - as above
                content: object = json.load(answer)
        except HTTPError as error:
            raise self._refusal(request, error) from error
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise RegistryError(f"schema registry {self._base}: {reason}") from error
        if not isinstance(content, dict):
            raise RegistryError(f"schema registry {self._base}: {path} gives no JSON object")
        return cast("dict[str, Any]", content)

    def _refusal(self, request: Request, error: HTTPError) -> RegistryError:
        with error:
            text = error.read(2000).decode("utf-8", "replace")
        try:
            answer = json.loads(text)
            code, text = answer.get("error_code"), answer["message"]
        except (ValueError, KeyError, TypeError, AttributeError):
            code, text = None, error.reason
        # A 404 without the registry's own code comes from something else at that address.
        kind = NotInRegistryError if code in _NOT_FOUND else RegistryError
        return kind(
            f"schema registry {self._base}: {request.get_method()} "
            f"{request.full_url.removeprefix(self._base)} gives {error.code}: {text}"
        )


class RegistrySource:
    """Ids as a registry has them; those of the schema files stay readable beside them.

    Subjects are ``<topic>-value``. At the first ``writer_id`` of a topic each published version
    is looked up, and registered, oldest first, where it is not there yet: a registry that only
    lets us read is enough once someone has registered them.
    """

    def __init__(self, catalogue: Catalogue, *, url: str, topic_prefix: str = "") -> None:
        """Make one; nothing is asked yet.

        Raises:
            RegistryError: ``url`` is no http or https address.
        """
        self._catalogue = catalogue
        self._files = CatalogueSource(catalogue)
        self._client = RegistryClient(url)
        self._prefix = topic_prefix

    def writer_id(self, topic: str, /) -> int:
        """The registry's id of the newest version.

        Raises:
            RegistryError: the registry cannot be asked, or refuses the schema.
        """
        subject = f"{self._prefix}{topic}-value"
        newest = self._catalogue.newest(topic)
        ids = {v.id: self._ensure(subject, v) for v in self._catalogue.by_topic[topic]}
        return ids[newest.id]

    def schema(self, schema_id: int, /) -> Schema | None:
        """The schema that the files, else the registry, have under ``schema_id``.

        Raises:
            RegistryError: the registry cannot be asked.
        """
        ours = self._files.schema(schema_id)
        if ours is not None:
            return ours
        try:
            answer = self._client.schema(schema_id)
        except NotInRegistryError:
            return None
        if answer.get("schemaType", "AVRO") != "AVRO":
            return None
        schema: Schema = json.loads(answer["schema"])
        return schema

    def _ensure(self, subject: str, version: SchemaVersion) -> int:
        try:
            return self._client.look_up(subject, version.text)
        except NotInRegistryError:
            self._client.require_compatibility(subject, COMPATIBILITY)
            return self._client.register(subject, version.text)
