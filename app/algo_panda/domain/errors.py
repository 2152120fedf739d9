"""The base of every failure whose message is meant for the person at the terminal."""

from typing import ClassVar


class PandaError(Exception):
    """A failure that was foreseen: its message says what is wrong and what to do.

    The command line prints the message alone, without a traceback, and ends with
    ``exit_code``. Subclasses stand beside the code that raises them and choose one of the
    codes below; ``docs/cli.md`` documents them.
    """

    exit_code: ClassVar[int] = 1


class ConfigurationError(PandaError):
    """A setting, an option or a strategy row cannot be used as it stands."""

    exit_code = 3


class KafkaError(PandaError):
    """The broker is out of reach, refuses us, or has a topic that is not as declared."""

    exit_code = 4


class DatabaseError(PandaError):
    """The database is out of reach, refuses us, or is not at the revision we need."""

    exit_code = 5


class BadInputError(PandaError):
    """The data handed to a command is wrong; the message says where (file and line, offset)."""

    exit_code = 6
