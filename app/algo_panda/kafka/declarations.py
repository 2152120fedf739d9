"""Topics as they are declared in ``topics/``, parsed and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algo_panda.kafka.topic_file import TopicDeclarationError, TopicFile, read_topic_file
from algo_panda.resources import resource_dir
from algo_panda.settings import Settings
from algo_panda.yaml_source import YamlSource


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDeclaration:
    """One topic as it should be.

    Attributes:
        name: Its name in the file and in our code.
        on_broker: Its name on the broker: ``name`` behind the prefix of the settings.
        purpose: What it is for.
        key: What its records are keyed by, in words.
        schema: The Avro record that its values are; None where they are bytes of another kind.
        written_by: Who writes it.
        read_by: Who reads it.
        partitions: How many it has.
        copartitioned_with: The name of the topic that it must have as many partitions as.
        replication_factor: How many copies of each partition there are.
        config: Kafka's topic settings, as Kafka writes them.
    """

    name: str
    on_broker: str
    purpose: str
    key: str
    schema: str | None
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    partitions: int
    copartitioned_with: str | None
    replication_factor: int
    config: Mapping[str, str]


def declared_topics(settings: Settings) -> dict[str, TopicDeclaration]:
    """Read the topics that these settings ask for, by name.

    Raises:
        TopicDeclarationError: the file is wrong.
    """
    path = settings.topics_file or resource_dir("topics") / "topics.yaml"
    return load_topics(path, prefix=settings.topic_prefix)


def load_topics(path: Path, *, prefix: str = "") -> dict[str, TopicDeclaration]:
    """Read a topic file, and the file that it builds on.

    Args:
        path: The YAML file; ``topics/topics.yaml`` says what is in one.
        prefix: Put before every name on the broker.

    Returns:
        The topics by name, in the order of the file.

    Raises:
        TopicDeclarationError: the file is wrong.
    """
    source, file = read_topic_file(path)
    layers = [(source, file)]
    if file.base is not None:
        layers.insert(0, read_topic_file(path.parent / file.base))
        if layers[0][1].base is not None:
            raise TopicDeclarationError(f"{source.where(('base',))} it has a base itself")
    names = dict.fromkeys(name for _, layer in layers for name in layer.topics)
    return {name: _complete(name, layers, prefix) for name in names}


_Layers = list[tuple[YamlSource, TopicFile]]
_REQUIRED = ("purpose", "key", "schema", "written_by", "read_by", "replication_factor")


def _complete(name: str, layers: _Layers, prefix: str) -> TopicDeclaration:
    merged = _merge(name, layers)
    for key in _REQUIRED:
        if key not in merged:
            raise TopicDeclarationError(f"{_where(name, layers)} {key} is missing")
    return TopicDeclaration(
        name=name,
        on_broker=f"{prefix}{name}",
        purpose=merged["purpose"],
        key=merged["key"],
        schema=merged["schema"],
        written_by=tuple(merged["written_by"]),
        read_by=tuple(merged["read_by"]),
        partitions=_partitions(name, layers),
        copartitioned_with=merged.get("copartitioned_with"),
        replication_factor=merged["replication_factor"],
        config={key: _as_kafka_writes_it(value) for key, value in merged["config"].items()},
    )


def _merge(name: str, layers: _Layers) -> dict[str, Any]:
    """What is said last holds: the base before the file, all topics before this one."""
    merged: dict[str, Any] = {"config": {}}
    for _, file in layers:
        for part in (file.every_topic, file.topics.get(name)):
            said = part.model_dump(exclude_unset=True, by_alias=True) if part else {}
            config = {**merged["config"], **said.pop("config", {})}
            merged |= {**said, "config": config}
    return merged


def _partitions(name: str, layers: _Layers, *, asked_by: tuple[str, ...] = ()) -> int:
    merged = _merge(name, layers)
    if ("partitions" in merged) == ("copartitioned_with" in merged):
        raise TopicDeclarationError(
            f"{_where(name, layers)} say either partitions or copartitioned_with"
        )
    if "partitions" in merged:
        return int(merged["partitions"])
    partner = str(merged["copartitioned_with"])
    known = any(partner in file.topics for _, file in layers)
    if not known or partner in (name, *asked_by):
        problem = "goes round in a circle" if known else f"names no topic: {partner}"
        raise TopicDeclarationError(f"{_where(name, layers)} copartitioned_with {problem}")
    return _partitions(partner, layers, asked_by=(*asked_by, name))


def _where(name: str, layers: _Layers) -> str:
    at = ("topics", name)
    return next(source for source, _ in layers if at in source.lines).where(at)


def _as_kafka_writes_it(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
