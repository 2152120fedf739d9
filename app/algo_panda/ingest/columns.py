"""Which columns of a file hold which fields of a tick."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from algo_panda.domain.errors import ConfigurationError
from algo_panda.ingest.source import UnreadableSourceError

REQUIRED = ("instrument_token", "event_time", "last_price")
OPTIONAL = ("last_traded_quantity", "volume_traded")
FIELDS = (*REQUIRED, *OPTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The name in the file of each field; by default the field's own."""

    instrument_token: str = "instrument_token"  # noqa: S105 - a column name
    event_time: str = "event_time"
    last_price: str = "last_price"
    last_traded_quantity: str = "last_traded_quantity"
    volume_traded: str = "volume_traded"
    mapped: frozenset[str] = frozenset()
    """Fields that were named by the user: their columns must be there, optional or not."""

    @classmethod
    def of(cls, mapping: Mapping[str, str]) -> Self:
        """Take field → column.

        Raises:
            ConfigurationError: a tick has no such field.
        """
        for field in mapping:
            if field not in FIELDS:
                raise ConfigurationError(
                    f"a tick has no field {field!r}; its fields: {', '.join(FIELDS)}"
                )
        return cls(**mapping, mapped=frozenset(mapping))

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> Self:
        """Take ``FIELD=NAME`` texts.

        Raises:
            ConfigurationError: one is not of that form, or a tick has no such field.
        """
        mapping: dict[str, str] = {}
        for pair in pairs:
            field, separator, name = pair.partition("=")
            if not separator or not name:
                raise ConfigurationError(f"--column {pair}: write it as FIELD=NAME")
            mapping[field] = name
        return cls.of(mapping)

    @property
    def names(self) -> tuple[str, str, str, str, str]:
        """Columns in the order of ``FIELDS``."""
        return (
            self.instrument_token,
            self.event_time,
            self.last_price,
            self.last_traded_quantity,
            self.volume_traded,
        )

    def find(self, present: Sequence[str], file: str) -> tuple[int | None, ...]:
        """The index in ``present`` of each of ``FIELDS``; None for an optional one not there.

        Raises:
            UnreadableSourceError: a column is missing.
        """
        found: list[int | None] = []
        for field, name in zip(FIELDS, self.names, strict=True):
            if name in present:
                found.append(present.index(name))
            elif field in REQUIRED or field in self.mapped:
                raise UnreadableSourceError(
                    f"{file} has no column {name!r}; its columns: {', '.join(present)}. "
                    f"Name the right one with --column {field}=NAME"
                )
            else:
                found.append(None)
        return tuple(found)
