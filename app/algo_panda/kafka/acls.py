"""Access control lists: as declared in ``topics/acls.yaml``, and how the broker's differ."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from algo_panda.domain.errors import ConfigurationError
from algo_panda.kafka.acl_file import (
    EVERY_TOPIC,
    AclDeclarationError,
    AclFile,
    RoleEntry,
    read_acl_file,
)
from algo_panda.kafka.clients import NO_GROUP
from algo_panda.kafka.declarations import declared_topics
from algo_panda.resources import resource_dir
from algo_panda.settings import Settings
from algo_panda.yaml_source import YamlSource

Resource = Literal["topic", "group", "transactional_id"]


class Acl(NamedTuple):
    """One access control list entry of the broker."""

    principal: str
    operation: str
    """In Kafka's words, in lower case: ``describe_configs``."""
    resource: str
    """``topic``, ``group``, ``transactional_id`` or ``cluster``."""
    name: str
    is_prefix: bool = False
    """Whether it is about everything whose name begins with ``name``."""
    is_denied: bool = False
    host: str = "*"

    @property
    def target(self) -> str:
        """The resource in words: ``topic ticks``, ``group panda-consumer*``."""
        return f"{self.resource} {self.name}{'*' if self.is_prefix else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredAcls:
    """What the roles of a file may do."""

    acls: frozenset[Acl]
    principals: frozenset[str]
    prefix: str
    """``PANDA_TOPIC_PREFIX``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AclDifferences:
    """What has to change on the broker."""

    missing: tuple[Acl, ...]
    """Declared, and not on the broker."""
    undeclared: tuple[Acl, ...]
    """On the broker, about a principal of ours and a name behind our prefix, and not declared."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.undeclared)


def declared_acls(settings: Settings, principals: Mapping[str, str] | None = None) -> DeclaredAcls:
    """Read the ACLs that these settings ask for.

    Args:
        settings: Of this process.
        principals: Principals by role, to use instead of those in the file.

    Raises:
        ConfigurationError: The file is invalid, or ``principals`` names an unknown role.
    """
    path = settings.acls_file or resource_dir("topics") / "acls.yaml"
    topics = declared_topics(settings)
    return load_acls(path, topics, prefix=settings.topic_prefix, principals=principals or {})


def load_acls(
    path: Path, topics: Collection[str], *, prefix: str = "", principals: Mapping[str, str]
) -> DeclaredAcls:
    """Read an ACL file.

    Args:
        path: The YAML file; ``topics/acls.yaml`` says what is in one.
        topics: Every topic that is declared.
        prefix: Put before every name on the broker.
        principals: Principals by role, to use instead of those in the file.

    Raises:
        ConfigurationError: The file is invalid, or ``principals`` names an unknown role.
    """
    source, file = read_acl_file(path)
    _check_topics(source, file, topics)
    unknown = next((role for role in principals if role not in file.roles), None)
    if unknown is not None:
        known = ", ".join(file.roles)
        raise ConfigurationError(f"--principal {unknown}=…: no such role; there are {known}")
    chosen = {
        name: principals.get(name) or role.principal or file.principal.replace("{role}", name)
        for name, role in file.roles.items()
    }
    return DeclaredAcls(
        acls=frozenset(
            acl
            for name, role in file.roles.items()
            for acl in _acls_of(role, chosen[name], topics, prefix)
        ),
        principals=frozenset(chosen.values()),
        prefix=prefix,
    )


def compare_acls(declared: DeclaredAcls, actual: Iterable[Acl]) -> AclDifferences:
    """Compare declared ACLs with those of the broker.

    The broker's ACLs of other principals, and those about names outside the prefix, are not ours
    and do not count.
    """
    found = set(actual)
    return AclDifferences(
        missing=tuple(sorted(declared.acls - found)),
        undeclared=tuple(sorted(acl for acl in found - declared.acls if _is_ours(acl, declared))),
    )


def _is_ours(acl: Acl, declared: DeclaredAcls) -> bool:
    if acl.principal not in declared.principals:
        return False
    return (
        acl.resource == "cluster"
        or acl.name == "*"
        or acl.name.startswith(declared.prefix)
        or (acl.is_prefix and declared.prefix.startswith(acl.name))
    )


def _acls_of(
    role: RoleEntry, principal: str, topics: Collection[str], prefix: str
) -> Iterator[Acl]:
    for name, operations in role.topics.items():
        for topic in topics if name == EVERY_TOPIC else (name,):
            yield from _entries(principal, "topic", f"{prefix}{topic}", operations)
    for name, allowed in role.groups.items():
        yield from _entries(principal, "group", f"{prefix}{name}", allowed)
    for name, granted in role.transactional_ids.items():
        yield from _entries(principal, "transactional_id", f"{prefix}{name}", granted)
    if any("read" in operations for operations in role.topics.values()):
        # librdkafka looks for the coordinator of a group that it is given and never joins.
        yield Acl(principal, "describe", "group", NO_GROUP)


def _entries(
    principal: str, resource: Resource, name: str, operations: Iterable[str]
) -> Iterator[Acl]:
    for operation in operations:
        yield Acl(principal, operation, resource, name.removesuffix("*"), name.endswith("*"))


def _check_topics(source: YamlSource, file: AclFile, topics: Collection[str]) -> None:
    for role, entry in file.roles.items():
        for name in entry.topics:
            if name not in (*topics, EVERY_TOPIC) and not name.endswith("*"):
                at = source.where(("roles", role, "topics", name))
                raise AclDeclarationError(
                    f"{at} no such topic is declared; there are {', '.join(topics)}"
                )
