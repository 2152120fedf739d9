"""Reads the broker's access control lists, adds what is declared, and removes what is not."""
# The client's futures have no type of their result, and what `confluent_kafka.admin` documents
# as its own it imports without saying that it exports it:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateImportUsage=false

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.acls import Acl
from algo_panda.kafka.admin_calls import REQUEST_SECONDS
from algo_panda.kafka.connection import failure

_VISIBLE_SECONDS = 15.0
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,  # librdkafka's name of it
}
_NAMES = {kind: name for name, kind in _RESOURCES.items()}


class NoAuthorizerError(KafkaError):
    """The broker has no authorizer, so everybody may do everything there."""


def read_acls(admin: AdminClient) -> frozenset[Acl]:
    """Read every access control list entry about topics, groups, transactions and the cluster.

    Raises:
        NoAuthorizerError: The broker has no authorizer.
        KafkaError: The broker does not answer, or denies the request.
    """
    everything = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]
        ResourcePatternType.ANY,
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    answer = admin.describe_acls(everything, request_timeout=REQUEST_SECONDS)
    bindings = _answer("read ACLs", answer)
    return frozenset(_from_binding(found) for found in bindings if found.restype in _NAMES)


def create_acls(admin: AdminClient, acls: Collection[Acl]) -> None:
    """Add entries, and wait until the broker knows them.

    Raises:
        KafkaError: The broker does not answer, or refuses.
    """
    if not acls:
        return
    bindings = [AclBinding(*_arguments(acl)) for acl in acls]
    _answers("create ACLs", admin.create_acls(bindings, request_timeout=REQUEST_SECONDS))
    _wait(admin, lambda found: found.issuperset(acls))


def delete_acls(admin: AdminClient, acls: Collection[Acl]) -> None:
    """Remove exactly these entries, and wait until the broker has forgotten them.

    Raises:
        KafkaError: The broker does not answer, or refuses.
    """
    if not acls:
        return
    filters = [AclBindingFilter(*_arguments(acl)) for acl in acls]
    _answers("delete ACLs", admin.delete_acls(filters, request_timeout=REQUEST_SECONDS))
    _wait(admin, lambda found: found.isdisjoint(acls))


def _arguments(acl: Acl) -> tuple[Any, ...]:
    return (
        _RESOURCES[acl.resource],
        acl.name,
        ResourcePatternType.PREFIXED if acl.is_prefix else ResourcePatternType.LITERAL,
        acl.principal,
        acl.host,
        AclOperation[acl.operation.upper()],
        AclPermissionType.DENY if acl.is_denied else AclPermissionType.ALLOW,
    )


def _from_binding(binding: AclBinding) -> Acl:
    found: Any = binding  # its fields have the types of what its constructor takes
    return Acl(
        principal=found.principal,
        operation=found.operation.name.lower(),
        resource=_NAMES[found.restype],
        name=found.name,
        is_prefix=found.resource_pattern_type is ResourcePatternType.PREFIXED,
        is_denied=found.permission_type is AclPermissionType.DENY,
        host=found.host,
    )


def _wait(admin: AdminClient, done: Callable[[frozenset[Acl]], bool]) -> None:
    """A broker learns what its controller decided a moment later."""
    deadline = time.monotonic() + _VISIBLE_SECONDS
    while not done(read_acls(admin)):
        if time.monotonic() > deadline:
            raise KafkaError(
                f"the broker's ACLs do not match {_VISIBLE_SECONDS:.0f} s after the change; check "
                "its log, then run 'panda topics apply --acls' again"
            )
        time.sleep(0.05)


def _answers(doing: str, futures: Mapping[Any, Future[Any]]) -> None:
    for future in futures.values():
        _answer(doing, future)


def _answer(doing: str, future: Future[Any]) -> Iterable[Any]:
    try:
        found: Iterable[Any] = future.result()
    except KafkaException as error:
        code = error.args[0].code()
        if code == ClientError.SECURITY_DISABLED:
            raise NoAuthorizerError(
                f"cannot {doing}: the broker has no authorizer, so everybody may do everything; "
                "set authorizer.class.name in its configuration"
            ) from error
        if code == ClientError.CLUSTER_AUTHORIZATION_FAILED:
            raise KafkaError(
                f"cannot {doing}: this requires the operations Describe and Alter on the cluster"
            ) from error
        raise failure(doing, error) from error
    return found
