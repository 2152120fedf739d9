"""The schema files: every version ever published, each with the id it keeps."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from algo_panda.domain.errors import ConfigurationError
from algo_panda.resources import resource_dir
from algo_panda.wire.compatibility import problems
from algo_panda.wire.edge import check_schema

INDEX_FILE: Final = "index.yaml"


class SchemaError(ConfigurationError):
    """The schema files, or those of a registry, cannot be used as they stand."""


class IndexEntry(BaseModel):
    """One line of the index file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: PositiveInt
    topic: str
    record: str
    version: PositiveInt
    file: str
    digest: str


class _Index(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    schemas: tuple[IndexEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """One published version of a topic's value schema."""

    id: int
    topic: str
    version: int
    text: str
    """The file as it stands."""
    schema: dict[str, Any]
    """The same, parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All published versions by topic, oldest first."""

    by_topic: Mapping[str, tuple[SchemaVersion, ...]]

    @property
    def by_id(self) -> dict[int, SchemaVersion]:
        """All published versions by id."""
        return {v.id: v for versions in self.by_topic.values() for v in versions}

    def newest(self, topic: str) -> SchemaVersion:
        """The version that values of ``topic`` are written with.

        Raises:
            SchemaError: no schema is declared for it.
        """
        try:
            return self.by_topic[topic][-1]
        except KeyError:
            known = ", ".join(self.by_topic)
            raise SchemaError(f"no schema for the topic {topic}; known: {known}") from None


def load_catalogue(directory: Path | None = None) -> Catalogue:
    """Read and check the schema files.

    Args:
        directory: where they are; by default the ones that came with this program.

    Raises:
        SchemaError: a file is missing, is not Avro, is not the one that was published, or
            breaks compatibility (``docs/adr/0004-avro-wire-format.md``); or two share an id.
    """
    folder = directory or resource_dir("schemas")
    index = _read_index(folder / INDEX_FILE)
    by_topic: dict[str, tuple[SchemaVersion, ...]] = {}
    for entry in index:
        version = _read_version(folder, entry)
        by_topic[entry.topic] = (*by_topic.get(entry.topic, ()), version)
    catalogue = Catalogue(by_topic=by_topic)
    if len(catalogue.by_id) != len(index):
        raise SchemaError(f"{folder / INDEX_FILE}: two schemas have the same id")
    for topic, versions in by_topic.items():
        _check_history(topic, versions)
    return catalogue


def digest(text: str) -> str:
    """SHA-256, in hex, over all of the schema in ``text`` but its documentation."""
    bare = json.loads(text, object_hook=lambda o: {k: v for k, v in o.items() if k != "doc"})
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()


def _read_index(path: Path) -> tuple[IndexEntry, ...]:
    try:
        return _Index.model_validate(yaml.safe_load(path.read_text("utf-8"))).schemas
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SchemaError(f"{path} cannot be read: {error}") from error


def _read_version(folder: Path, entry: IndexEntry) -> SchemaVersion:
    path = folder / entry.file
    try:
        text = path.read_text("utf-8")
        check_schema(text)
        schema: dict[str, Any] = json.loads(text)
    except (OSError, ValueError) as error:
        raise SchemaError(f"{path} cannot be read: {error}") from error
    if schema.get("name") != entry.record:
        raise SchemaError(f"{path} describes {schema.get('name')}, not {entry.record}")
    actual = digest(text)
    if actual != entry.digest:
        raise SchemaError(
            f"{path} is not what was published with id {entry.id}: its digest is {actual}; "
            f"restore it, and put the change into a new version"
        )
    return SchemaVersion(
        id=entry.id, topic=entry.topic, version=entry.version, text=text, schema=schema
    )


def _check_history(topic: str, versions: Iterable[SchemaVersion]) -> None:
    for earlier, later in combinations(versions, 2):
        if later.version <= earlier.version:
            raise SchemaError(f"{topic}: version {later.version} follows {earlier.version}")
        for reader, writer in ((later, earlier), (earlier, later)):
            found = problems(reader=reader.schema, writer=writer.schema)
            if found:
                raise SchemaError(
                    f"{topic}: version {reader.version} cannot read what version "
                    f"{writer.version} wrote: {'; '.join(found)}"
                )
