"""The fields of a row to a tick: the one place where every source validates."""

from collections.abc import Callable
from typing import TypeVar

from algo_panda.domain.market import MarketTick
from algo_panda.ingest.memo import Memo
from algo_panda.ingest.numbers import parse_price, parse_quantity, parse_token, parse_volume

T = TypeVar("T")

RowParser = Callable[[str, T, str, str, str], MarketTick]
"""``(token, time, price, quantity, volume)``; an absent field is an empty text.

Raises ``FieldError``, which names the field, on what cannot be a tick.
"""


def row_parser(read_time: Callable[[T], int]) -> RowParser[T]:
    """A parser for rows of one source, whose times ``read_time`` understands.

    Texts that were seen before are looked up. Only the volume, which is new on every row, is
    read each time.
    """
    tokens: Memo[str, int] = Memo(parse_token)
    prices: Memo[str, int] = Memo(parse_price)
    quantities: Memo[str, int] = Memo(parse_quantity)

    def parse(token: str, time: T, price: str, quantity: str, volume: str) -> MarketTick:
        return MarketTick(
            tokens[token],
            read_time(time),
            prices[price],
            quantities[quantity],
            int(volume) if volume.isdecimal() and len(volume) < 19 else parse_volume(volume),
        )

    return parse
