import re
from pathlib import Path

from algo_panda.kafka.acls import DeclaredAcls, declared_acls
from algo_panda.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "kafka-security.md"


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """By role: the topics in the columns "reads" and "writes"."""
    _, _, section = PAGE.read_text("utf-8").partition("| role |")
    lines = [line for line in section.partition("\n\n")[0].splitlines() if line.startswith("| `")]
    cells = [[set(re.findall("`([^`]+)`", cell)) for cell in line.split("|")] for line in lines]
    return {role: (reads, writes) for _, (role,), _, reads, writes, _ in cells}


def granted(declared: DeclaredAcls, role: str, operation: str) -> set[str]:
    """The topics of the file, apart from changelogs."""
    return {
        acl.name + ("*" if acl.is_prefix else "")
        for acl in declared.acls
        if acl.principal == f"User:panda-{role}"
        and (acl.resource, acl.operation) == ("topic", operation)
        and not acl.name.endswith("-changelog")
    }


def test_the_table_of_roles_is_what_the_file_grants() -> None:
    found, declared = rows(), declared_acls(Settings(_env_file=None))

    assert {f"User:panda-{role}" for role in found} == declared.principals
    for role, (reads, writes) in found.items():
        expected = granted(declared, role, "read")
        if role == "dead-letters":
            assert len(expected) == 6
            assert all(name.endswith(".dlq") for name in expected)
            expected = {".dlq"}
        assert reads == expected, role
        assert writes == granted(declared, role, "write"), role
