from pathlib import Path

import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.kafka.acls import Acl, DeclaredAcls, compare_acls, declared_acls, load_acls
from algo_panda.settings import Settings

TOPICS = ("ticks", "signals")
FILE = """\
principal: User:panda-{role}
roles:
  reader:
    purpose: It reads.
    topics:
      ticks: [read]
    groups:
      readers-*: [read]
  writer:
    purpose: It writes.
    principal: User:CN=writer,O=panda
    topics:
      every_topic: [write, describe_configs]
    transactional_ids:
      panda-writer-*: [write]
"""
WRITER = "User:CN=writer,O=panda"


def load(folder: Path, text: str, prefix: str = "", **principals: str) -> DeclaredAcls:
    path = folder / "acls.yaml"
    path.write_text(text)
    return load_acls(path, TOPICS, prefix=prefix, principals=principals)


def test_a_file_means_these_acls(tmp_path: Path) -> None:
    declared = load(tmp_path, FILE, "p-")

    assert declared.acls == {
        Acl("User:panda-reader", "read", "topic", "p-ticks"),
        Acl("User:panda-reader", "read", "group", "p-readers-", is_prefix=True),
        Acl("User:panda-reader", "describe", "group", "unused"),
        Acl(WRITER, "write", "topic", "p-ticks"),
        Acl(WRITER, "write", "topic", "p-signals"),
        Acl(WRITER, "describe_configs", "topic", "p-ticks"),
        Acl(WRITER, "describe_configs", "topic", "p-signals"),
        Acl(WRITER, "write", "transactional_id", "p-panda-writer-", is_prefix=True),
    }
    assert declared.principals == {"User:panda-reader", WRITER}


def test_a_principal_that_is_given_replaces_the_one_of_the_file(tmp_path: Path) -> None:
    declared = load(tmp_path, FILE, reader="User:alice", writer="User:alice")

    assert declared.principals == {"User:alice"}
    assert {acl.principal for acl in declared.acls} == {"User:alice"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("ticks: [read]", "ticks: [raed]", r"acls.yaml:6: roles.reader.topics.ticks.0: .*'read'"),
        ("ticks: [read]", "tickets: [read]", r"acls.yaml:6: roles.reader.topics.tickets: no such"),
        ("    groups:", "    grups:", r"acls.yaml:7: roles.reader.grups: unknown key grups"),
        ("readers-*", "read*rs", r"acls.yaml:8: "),
        ("  reader:", "  Reader:", r"acls.yaml:3: "),
        ("User:CN=writer,O=panda", "writer", r"acls.yaml:11: roles.writer.principal: "),
        ("    purpose: It reads.\n", "", r"acls.yaml:3: roles.reader: .*required"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in FILE

    with pytest.raises(ConfigurationError, match=problem):
        load(tmp_path, FILE.replace(old, new))


def test_a_principal_of_no_role_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such role; there are reader, writer"):
        load(tmp_path, FILE, redaer="User:alice")


def test_only_what_concerns_our_principals_and_our_prefix_is_ours(tmp_path: Path) -> None:
    declared = load(tmp_path, FILE, "p-")
    ours = [
        Acl(WRITER, "delete", "topic", "p-ticks"),
        Acl(WRITER, "write", "topic", "p-ticks", is_denied=True),
        Acl(WRITER, "write", "topic", "p-ticks", host="10.0.0.1"),
        Acl(WRITER, "write", "topic", "*"),
        Acl(WRITER, "write", "topic", "p", is_prefix=True),
        Acl(WRITER, "alter", "cluster", "kafka-cluster"),
    ]
    others = [
        Acl("User:alice", "delete", "topic", "p-ticks"),
        Acl(WRITER, "write", "topic", "q-ticks"),
        Acl(WRITER, "write", "topic", "q", is_prefix=True),
    ]

    found = compare_acls(declared, [*declared.acls, *ours, *others])

    assert found.missing == ()
    assert set(found.undeclared) == set(ours)
    assert compare_acls(declared, others).missing == tuple(sorted(declared.acls))
    assert not compare_acls(declared, [*declared.acls, *others])


def test_the_file_of_the_project_grants_no_role_a_wildcard() -> None:
    declared = declared_acls(Settings(_env_file=None))

    assert declared.acls
    for acl in declared.acls:
        assert acl.name not in ("", "*")
        assert acl.resource != "cluster"
        assert not acl.is_denied
