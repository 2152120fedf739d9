"""The form of ``topics/acls.yaml``: what may be written there, checked key by key."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from algo_panda.domain.errors import ConfigurationError
from algo_panda.yaml_source import YamlPath, YamlSource, read_yaml

EVERY_TOPIC = "every_topic"

_Role = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]+\*?$")]
_Principal = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+:.+$")]
_Text = Annotated[str, StringConstraints(min_length=1)]
_TopicOperation = Literal[
    "read", "write", "create", "delete", "describe", "describe_configs", "alter", "alter_configs"
]
_GroupOperation = Literal["read", "describe", "delete"]
_TransactionOperation = Literal["write", "describe"]


class AclDeclarationError(ConfigurationError):
    """The ACL file cannot be used; the message names the file, the line and the key."""


class RoleEntry(BaseModel):
    """What one role may do."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    purpose: _Text
    principal: _Principal | None = None
    topics: dict[_Name, list[_TopicOperation]] = Field(default_factory=dict)
    groups: dict[_Name, list[_GroupOperation]] = Field(default_factory=dict)
    transactional_ids: dict[_Name, list[_TransactionOperation]] = Field(default_factory=dict)


class AclFile(BaseModel):
    """One file of roles."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    principal: _Principal
    roles: dict[_Role, RoleEntry] = Field(min_length=1)


def read_acl_file(path: Path) -> tuple[YamlSource, AclFile]:
    """Parse the file.

    Raises:
        AclDeclarationError: it has an unknown key, or a value of the wrong form.
        ConfigurationError: it cannot be read, or is not YAML.
    """
    source = read_yaml(path)
    try:
        return source, AclFile.model_validate(source.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at: YamlPath = first["loc"]
        problem = f"unknown key {at[-1]}" if first["type"] == "extra_forbidden" else first["msg"]
        raise AclDeclarationError(f"{source.where(at)} {problem}") from error
