"""``panda topics``: compare the broker's topics with their declarations, and make them follow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from algo_panda.cli.topic_acls import (
    Principals,
    Prune,
    WithAcls,
    acl_differences,
    acl_rows,
    principals_of,
    print_acls,
)
from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import load_settings

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from algo_panda.kafka.acls import AclDifferences
    from algo_panda.kafka.admin import TopicState
    from algo_panda.kafka.declarations import TopicDeclaration
    from algo_panda.kafka.topic_diff import Difference

DIFFERENCES_EXIST = 10
"""Exit code of ``plan --check`` where something is not as declared."""

app = typer.Typer(
    help="Topics as code: what topics/ declares, and what the broker has.", no_args_is_help=True
)
_data = Console(highlight=False, markup=False)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def plan(
    check: Annotated[
        bool,
        typer.Option("--check", help=f"Exit with {DIFFERENCES_EXIST} where anything differs."),
    ] = False,
    acls: WithAcls = False,
    principal: Principals = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between the declared topics and the broker's; change nothing."""
    from algo_panda.kafka.topic_diff import find_differences

    principals = principals_of(principal, acls=acls)
    admin, declared = _open()
    differences = find_differences(admin, declared.values())
    of_acls = acl_differences(admin, load_settings(), principals) if acls else None
    _print_differences(differences, of_acls, as_json=as_json, key="differences", title="to change")
    if not differences:
        _notices.print(f"all {len(declared)} topics are as declared")
    if of_acls is not None and not of_acls:
        _notices.print("all ACLs are as declared")
    if check and (differences or of_acls):
        raise typer.Exit(DIFFERENCES_EXIST)


@app.command()
def apply(
    acls: WithAcls = False,
    principal: Principals = None,
    prune: Prune = False,
    as_json: AsJson = False,
) -> None:
    """Create missing topics and set the settings that differ.

    Partitions and replication of a topic that exists are never changed, and nothing is deleted:
    such a difference is refused with what to do, and then nothing else is changed either.

    With --acls, also add the missing access control lists. Those that are not declared stay,
    unless --prune-acls is given, and those of other principals stay in any case.
    """
    from algo_panda.kafka.acl_apply import create_acls, delete_acls
    from algo_panda.kafka.topic_apply import apply_differences
    from algo_panda.kafka.topic_diff import find_differences

    principals = principals_of(principal, acls=acls, prune=prune)
    admin, declared = _open()
    differences = find_differences(admin, declared.values())
    of_acls = acl_differences(admin, load_settings(), principals) if acls else None
    apply_differences(admin, differences)
    kept = 0
    if of_acls is not None:
        create_acls(admin, of_acls.missing)
        if prune:
            delete_acls(admin, of_acls.undeclared)
        else:
            kept = len(of_acls.undeclared)
            of_acls = replace(of_acls, undeclared=())
    _print_differences(differences, of_acls, as_json=as_json, key="changed", title="changed")
    _notices.print(f"all {len(declared)} topics are as declared")
    if kept:
        _notices.print(
            f"all declared ACLs are there, and {kept} more that are not declared: "
            "'panda topics plan --acls' shows them, --prune-acls removes them"
        )
    elif acls:
        _notices.print("all ACLs are as declared")


@app.command()
def describe(
    names: Annotated[
        list[str] | None, typer.Argument(help="Topics as named in topics/; all by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show each topic: what it is for, who writes and reads it, and how it is on the broker."""
    from algo_panda.kafka.admin import end_offsets, start_offsets, topic_states

    admin, declared = _open()
    unknown = next((name for name in names or () if name not in declared), None)
    if unknown is not None:
        raise ConfigurationError(f"no topic {unknown} is declared; there are {', '.join(declared)}")
    chosen = [declared[name] for name in names or declared]
    states = topic_states(admin, [topic.on_broker for topic in chosen])
    ends, starts = end_offsets(admin, states), start_offsets(admin, states)
    kept = dict.fromkeys(states, 0)
    for (topic, number), end in ends.items():
        kept[topic] += end - starts[topic, number]
    facts = [_facts(topic, states.get(topic.on_broker), kept) for topic in chosen]
    if as_json:
        typer.echo(json.dumps({"topics": facts}))
    elif names:
        _print_in_full(facts)
    else:
        _print_overview(facts)


def _open() -> "tuple[AdminClient, dict[str, TopicDeclaration]]":
    from algo_panda.kafka.connection import connect
    from algo_panda.kafka.declarations import declared_topics
    from algo_panda.kafka.dev_broker import kafka_connection

    settings = load_settings()
    declared = declared_topics(settings)
    return connect(kafka_connection(settings)), declared


def _print_differences(
    differences: "Sequence[Difference]",
    of_acls: "AclDifferences | None",
    *,
    as_json: bool,
    key: str,
    title: str,
) -> None:
    rows = [_row(difference) for difference in differences]
    acls = [] if of_acls is None else acl_rows(of_acls)
    if as_json:
        found: dict[str, Any] = {key: rows}
        typer.echo(json.dumps(found if of_acls is None else {**found, "acls": acls}))
        return
    if rows:
        table = Table("topic", "what", "on the broker", "declared", title=title)
        for row in rows:
            table.add_row(*(_cell(value) for value in row.values()))
        _data.print(table)
    print_acls(_data, acls, title)


def _row(difference: "Difference") -> dict[str, str | None]:
    from algo_panda.kafka.topic_diff import (
        ConfigDiffers,
        PartitionsDiffer,
        ReplicationDiffers,
        TopicMissing,
    )

    topic = difference.topic
    actual: str | None
    declared: str | None
    match difference:
        case TopicMissing():
            wanted = f"partitions {topic.partitions}, copies {topic.replication_factor}"
            what, actual, declared = "topic", None, wanted
        case ConfigDiffers():
            what, actual, declared = difference.setting, difference.actual, difference.declared
        case PartitionsDiffer():
            what, actual, declared = "partitions", str(difference.actual), str(topic.partitions)
        case ReplicationDiffers():
            wanted = str(topic.replication_factor)
            what, actual, declared = "replication factor", str(difference.actual), wanted
    return {"topic": topic.on_broker, "what": what, "actual": actual, "declared": declared}


def _facts(
    topic: "TopicDeclaration", state: "TopicState | None", kept: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "topic": topic.on_broker,
        "purpose": topic.purpose,
        "key": topic.key,
        "schema": topic.schema,
        "written_by": topic.written_by,
        "read_by": topic.read_by,
        "copartitioned_with": topic.copartitioned_with,
        "exists": state is not None,
        "id": state.topic_id if state else None,
        "partitions": state.partitions if state else None,
        "replication_factor": state.replication_factor if state else None,
        "offsets_kept": kept.get(topic.on_broker),
        "config": {key: state.config[key] for key in sorted(state.own_config)} if state else {},
    }


def _print_overview(facts: list[dict[str, Any]]) -> None:
    table = Table(box=box.SIMPLE)
    for heading in ("topic", "partitions", "offsets", "schema"):
        table.add_column(heading, no_wrap=True)
    table.add_column("key")
    for fact in facts:
        columns = ("topic", "partitions", "offsets_kept", "schema", "key")
        table.add_row(*(_cell(fact[column]) for column in columns))
    _data.print(table)
    _notices.print("name a topic to see all that is known of it")


def _print_in_full(facts: list[dict[str, Any]]) -> None:
    for fact in facts:
        table = Table(show_header=False, title=fact["topic"])
        for name, value in fact.items():
            table.add_row(name.replace("_", " "), _cell(value))
        _data.print(table)


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            settings = cast("dict[str, str]", value)
            return "\n".join(f"{key}={setting}" for key, setting in settings.items())
        case tuple():
            return ", ".join(cast("tuple[str, ...]", value))
        case _:
            return str(value)
