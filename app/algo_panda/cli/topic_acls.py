"""Access control lists in ``panda topics``: the options, and how differences are shown."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from algo_panda.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from algo_panda.kafka.acls import Acl, AclDifferences
    from algo_panda.settings import Settings

WithAcls = Annotated[
    bool, typer.Option("--acls", help="Include the access control lists of topics/acls.yaml.")
]
Principals = Annotated[
    list[str] | None,
    typer.Option(
        "--principal",
        metavar="ROLE=PRINCIPAL",
        help="With --acls: the principal of a role, instead of the one in the file."
        " Example: runner=User:alice. Repeatable.",
    ),
]
Prune = Annotated[
    bool, typer.Option("--prune-acls", help="With --acls: remove those that are not declared.")
]

_PRINCIPAL = re.compile(r"([a-z0-9-]+)=([A-Za-z]+:.+)")


def principals_of(
    given: Sequence[str] | None, *, acls: bool, prune: bool = False
) -> dict[str, str]:
    """Parse ``--principal``, by role.

    Raises:
        ConfigurationError: One is not ROLE=TYPE:NAME, or an option needs ``--acls``.
    """
    for option, is_given in (("--principal", bool(given)), ("--prune-acls", prune)):
        if is_given and not acls:
            raise ConfigurationError(f"{option} has no effect without --acls")
    principals: dict[str, str] = {}
    for one in given or ():
        match = _PRINCIPAL.fullmatch(one)
        if match is None:
            raise ConfigurationError(
                f"--principal {one}: write ROLE=TYPE:NAME, for example runner=User:alice"
            )
        principals[match[1]] = match[2]
    return principals


def acl_differences(
    admin: "AdminClient", settings: "Settings", principals: Mapping[str, str]
) -> "AclDifferences":
    """Compare the declared ACLs with the broker's.

    Raises:
        ConfigurationError: The file is invalid, or ``principals`` names an unknown role.
        KafkaError: The broker does not answer, has no authorizer, or denies the request.
    """
    from algo_panda.kafka.acl_apply import read_acls
    from algo_panda.kafka.acls import compare_acls, declared_acls

    declared = declared_acls(settings, principals)
    return compare_acls(declared, read_acls(admin))


def acl_rows(differences: "AclDifferences") -> list[dict[str, str | None]]:
    """Describe the differences, for JSON and for the table: a row for each principal and resource.

    A row lists only the operations that differ.
    """
    return [
        {
            "principal": principal,
            "what": target,
            "actual": _operations(differences.undeclared, principal, target),
            "declared": _operations(differences.missing, principal, target),
        }
        for principal, target in sorted(
            {(acl.principal, acl.target) for acl in (*differences.missing, *differences.undeclared)}
        )
    ]


def print_acls(console: Console, rows: Sequence[Mapping[str, str | None]], title: str) -> None:
    """Print the rows of ``acl_rows`` as a table."""
    if rows:
        table = Table("principal", "what", "on the broker", "declared", title=f"ACLs {title}")
        for row in rows:
            table.add_row(*(value or "-" for value in row.values()))
        console.print(table)


def _operations(acls: "Sequence[Acl]", principal: str, target: str) -> str | None:
    of_target = [acl for acl in acls if (acl.principal, acl.target) == (principal, target)]
    return ", ".join(sorted(map(_permission, of_target))) or None


def _permission(acl: "Acl") -> str:
    denied = "not " if acl.is_denied else ""
    host = "" if acl.host == "*" else f" from {acl.host}"
    return f"{denied}{acl.operation}{host}"
