"""Origin of the signals of a partition: the database of strategies, and the code.

Both are recorded with each checkpoint. A worker with another database does not open the
partition. One with other code opens it only if no signal of a later tick can have been sent.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.streaming.operator import Start, StateFormatError

logger = logging.getLogger(__name__)

CodeOf = Callable[[StrategyConfig], Mapping[str, str]]
"""Returns what identifies the code of a strategy, by ``runner``, ``processor TYPE`` and so on."""

_SHOWN_DIGITS = 12


class OtherDatabaseError(ConfigurationError):
    """The strategies of a partition are those of another database."""

    def __init__(
        self, where: str, recorded: str, ours: str, lacking: Sequence[StrategyConfig]
    ) -> None:
        listed = ", ".join(
            f"{config.id} ({config.strategy_type}, version {config.version})" for config in lacking
        )
        lacks = f", and has no row of {listed}" if listed else ""
        super().__init__(
            f"{where} runs the strategies of the database with id {recorded}, and the database of"
            f" this worker has id {ours}{lacks}. Set PANDA_DATABASE_URL to the database of the"
            " other runners; if this database is to replace it, stop all runners and run 'panda"
            " recover accept-database'"
        )


class CodeChange(NamedTuple):
    """Other code than the recorded one."""

    name: str
    """``runner``, ``processor TYPE`` or ``validator TYPE``."""
    recorded: str
    found: str

    def __str__(self) -> str:
        return f"{self.name}: {_shown(self.recorded)} is now {_shown(self.found)}"


class ChangedCodeError(ConfigurationError):
    """Other code may have sent signals of ticks that are to be processed."""

    def __init__(self, where: str, offset: int | None, changes: Iterable[CodeChange]) -> None:
        since = "" if offset is None else f" from offset {offset} on"
        super().__init__(
            f"{where}: the code of strategies has changed ({'; '.join(map(str, changes))}), and the"
            " last runner did not stop cleanly: the recorded code may have sent signals of ticks"
            f"{since}. Run the former release until it stops cleanly (SIGTERM), then this one; or"
            " run 'panda recover accept-code', which lists these ticks"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Database and code, as recorded with a checkpoint."""

    database: str
    """Id of the database of strategies."""
    code: Mapping[str, str]
    """What identifies code: of ``runner``, ``processor TYPE`` and ``validator TYPE``."""

    def encode(self) -> bytes:
        """Write it as JSON."""
        fields = {"database": self.database, "code": dict(sorted(self.code.items()))}
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes) -> "Origin":
        """Read what ``encode`` gave.

        Raises:
            StateFormatError: ``encode`` does not give that.
        """
        try:
            fields: dict[str, Any] = json.loads(value)
            return cls(
                database=str(fields["database"]),
                code={str(name): str(found) for name, found in fields["code"].items()},
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateFormatError(
                f"the recorded origin of the strategies is invalid: {type(error).__name__}: {error}"
            ) from error

    def changes(self, code: Mapping[str, str]) -> list[CodeChange]:
        """Return what differs in ``code``, as far as it is recorded."""
        return [
            CodeChange(name, self.code[name], found)
            for name, found in sorted(code.items())
            if self.code.get(name, found) != found
        ]


class OriginPolicy:
    """Decides whether a worker with this database and code may continue from a state."""

    def __init__(self, *, database: str, code_of: CodeOf) -> None:
        """Keep the database and the code of this worker.

        Args:
            database: id of its database.
            code_of: identifies the code of a strategy.
        """
        self._database = database
        self._code_of = code_of

    def check_database(
        self, start: Start, where: str, lacking: Callable[[], Sequence[StrategyConfig]]
    ) -> None:
        """Refuse another database than the recorded one; if none is recorded, accept any.

        Args:
            start: where the partition begins.
            where: name of the partition.
            lacking: returns the recorded strategies that the database has no row of.

        Raises:
            OtherDatabaseError: it is another one.
            StateFormatError: what is recorded has an unknown form.
        """
        recorded = _recorded(start)
        if recorded is not None and recorded.database != self._database:
            raise OtherDatabaseError(where, recorded.database, self._database, lacking())

    def check_code(self, configs: Iterable[StrategyConfig], start: Start, where: str) -> bytes:
        """Return what to record, if these strategies may continue from ``start``.

        Raises:
            ChangedCodeError: their code is not the recorded one, which may have sent signals of
                these ticks.
            StateFormatError: what is recorded has an unknown form.
        """
        recorded = _recorded(start)
        code = code_of_all(configs, self._code_of)
        changes = [] if recorded is None else recorded.changes(code)
        if changes:
            if not (start.is_settled or start.is_handed_over):
                raise ChangedCodeError(where, next(iter(start.offsets.values()), None), changes)
            logger.info(
                "%s: the code of strategies has changed since the last clean stop (%s)",
                where,
                "; ".join(map(str, changes)),
            )
        return Origin(database=self._database, code=code).encode()


def code_of_all(configs: Iterable[StrategyConfig], code_of: CodeOf) -> dict[str, str]:
    """Return what identifies the code of several strategies."""
    return {name: found for config in configs for name, found in code_of(config).items()}


def _recorded(start: Start) -> Origin | None:
    return None if start.origin is None else Origin.decode(start.origin)


def _shown(identity: str) -> str:
    """Shorten a digest."""
    kind, colon, digest = identity.partition(":")
    return f"{kind}:{digest[:_SHOWN_DIGITS]}" if colon else identity
