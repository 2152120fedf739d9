"""The form of the files in ``topics/``: what may be written there, checked key by key."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from algo_panda.domain.errors import ConfigurationError
from algo_panda.yaml_source import YamlPath, YamlSource, read_yaml


class TopicDeclarationError(ConfigurationError):
    """A topic file cannot be used; the message names the file, the line and the key."""


_Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]+$")]
_Text = Annotated[str, StringConstraints(min_length=1)]


class CommonEntry(BaseModel):
    """What may be said of all topics at once.

    A file says only some of it, so the defaults here are never used: read what was set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    replication_factor: int = Field(default=1, ge=1)
    config: dict[str, str | int | float | bool] = Field(default_factory=dict)


class TopicEntry(CommonEntry):
    """What a file says of one topic; likewise not all of it need be in one file."""

    purpose: _Text = ""
    key: _Text = ""
    record: _Text | None = Field(default=None, alias="schema")
    written_by: list[_Text] = Field(default_factory=list, min_length=1)
    read_by: list[_Text] = Field(default_factory=list, min_length=1)
    partitions: int = Field(default=1, ge=1)
    copartitioned_with: _Name = ""


class TopicFile(BaseModel):
    """One file of topics; ``base`` is another, beside it, that it builds on."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    base: str | None = None
    every_topic: CommonEntry = CommonEntry()
    topics: dict[_Name, TopicEntry]


def read_topic_file(path: Path) -> tuple[YamlSource, TopicFile]:
    """Parse one file.

    Raises:
        TopicDeclarationError: it has an unknown key, or a value of the wrong form.
        ConfigurationError: it cannot be read, or is not YAML.
    """
    source = read_yaml(path)
    try:
        return source, TopicFile.model_validate(source.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at: YamlPath = first["loc"]
        problem = f"unknown key {at[-1]}" if first["type"] == "extra_forbidden" else first["msg"]
        raise TopicDeclarationError(f"{source.where(at)} {problem}") from error
