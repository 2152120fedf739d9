"""The reference pages say what the code says."""

from tools.generate_docs import DOCS, cli, configuration


def test_the_page_of_settings_is_up_to_date() -> None:
    assert (DOCS / "configuration.md").read_text("utf-8") == configuration(), "run 'make docs'"


def test_the_page_of_commands_is_up_to_date() -> None:
    assert (DOCS / "cli.md").read_text("utf-8") == cli(), "run 'make docs'"
