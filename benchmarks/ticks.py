"""One day's trades of one instrument, made into a stream of many instruments."""

import csv
import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple, cast

FIRST_TOKEN = 100_001
OFFSET_RAW = 10 * 10**8
"""By how much the price of each instrument is above that of the one before: 10.00."""

_DAY_US = 86_400_000_000
_MADE_UP = 250_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Trade(NamedTuple):
    price: int
    """In units of 10**-8."""
    quantity: int
    volume: int
    event_time_us: int


class Row(NamedTuple):
    token: int
    price: int
    quantity: int
    volume: int
    event_time_us: int


_NewRow = Callable[[type[Row], tuple[int, int, int, int, int]], Row]
_new_row = cast("_NewRow", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``Row(...)`` in half its time."""


def load_trades(path: Path | None, at_most: int | None = None) -> list[Trade]:
    """The recorded trades of ``path``, or made-up ones, of the same size every time."""
    return list(islice(_made_up() if path is None else _recorded(path), at_most))


def spread(trades: list[Trade], instruments: int, ticks: int, *, apart: int = 0) -> Iterator[Row]:
    """Give the trades to each instrument in turn, until there are so many ticks.

    No two instruments trade in the same microsecond, nor at the same price. After the last trade
    the day begins anew, a day later.

    Args:
        trades: of one instrument.
        instruments: how many to make of it.
        ticks: how many, of all together.
        apart: how many trades later each instrument begins than the one before; 0: all move
            alike, at the same time.
    """
    return islice(_endless(trades, instruments, apart), ticks)


def tokens(instruments: int) -> tuple[int, ...]:
    return tuple(range(FIRST_TOKEN, FIRST_TOKEN + instruments))


def _endless(trades: list[Trade], instruments: int, apart: int) -> Iterator[Row]:
    length = len(trades)
    for position in count():
        for instrument in range(instruments):
            lap, at = divmod(position + apart * instrument, length)
            price, quantity, volume, event_time = trades[at]
            yield _new_row(
                Row,
                (
                    FIRST_TOKEN + instrument,
                    price + instrument * OFFSET_RAW,
                    quantity,
                    volume,
                    event_time + lap * _DAY_US + instrument,
                ),
            )


def _recorded(path: Path) -> Iterator[Trade]:
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            whole, _, fraction = row["last_price"].partition(".")
            moment = datetime.fromisoformat(row["event_time"])
            yield Trade(
                int(whole) * 10**8 + int(fraction.ljust(8, "0")),
                int(row["last_traded_quantity"]),
                int(row["volume_traded"]),
                (moment - _EPOCH) // _MICROSECOND,
            )


def _made_up() -> Iterator[Trade]:
    from algo_panda.ingest.source import LocatedTick
    from algo_panda.ingest.synthetic import SyntheticSource

    source = SyntheticSource(
        instruments=[1],
        ticks=_MADE_UP,
        seed=1,
        start=datetime(2024, 1, 2, 9, 15, tzinfo=UTC),
        ticks_per_second=10,
    )
    for row in source:
        if isinstance(row, LocatedTick):
            tick = row.tick
            yield Trade(
                tick.price_raw, tick.last_traded_quantity, tick.volume_traded, tick.event_time_us
            )
