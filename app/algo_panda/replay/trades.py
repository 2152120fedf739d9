"""Round trips: what was bought and sold again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, cast

from algo_panda.domain.timestamps import from_micros
from algo_panda.domain.trading import ExecutionReport
from algo_panda.replay.exact import as_money, divided


class PositionSide(StrEnum):
    """Which way a position faces."""

    LONG = "LONG"
    SHORT = "SHORT"


class Fill(NamedTuple):
    """A fill as it is booked."""

    time_us: int
    """When, microseconds since the epoch: its event time, or the one of the fill before it on
    the same strategy, account and instrument, where that is later."""
    report: ExecutionReport
    reference_raw: int | None
    """Price of the tick that caused the order, in ``10**-8``; None: not known."""


_NewFill = Callable[[type[Fill], tuple[object, ...]], Fill]
new_fill = cast("_NewFill", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``Fill(...)`` in a fraction of its time."""


class Trade(NamedTuple):
    """Units that one order opened and another closed.

    A tuple of whole numbers, as orders are; amounts are in ``10**-8`` inside.
    """

    strategy_id: str
    strategy_type: str
    account: str
    instrument_token: int
    side: PositionSide
    quantity: int
    entry_order: str
    """``client_order_id`` of the order that opened."""
    entry_us: int
    """First fill of it, microseconds since the epoch."""
    entry_value_raw: int
    """Quantity times price."""
    exit_order: str
    exit_us: int
    """Last fill."""
    exit_value_raw: int
    fees_raw: int

    @property
    def entry_time(self) -> datetime:
        """First fill of the order that opened, aware UTC."""
        return from_micros(self.entry_us)

    @property
    def exit_time(self) -> datetime:
        """Last fill of the order that closed, aware UTC."""
        return from_micros(self.exit_us)

    @property
    def entry_price(self) -> Decimal:
        """Mean over the units, to eight decimals."""
        return as_money(divided(self.entry_value_raw, self.quantity))

    @property
    def exit_price(self) -> Decimal:
        """Likewise."""
        return as_money(divided(self.exit_value_raw, self.quantity))

    @property
    def fees(self) -> Decimal:
        """The units' share of the fees of entry and exit."""
        return as_money(self.fees_raw)

    @property
    def gross_raw(self) -> int:
        """Sales less purchases, in ``10**-8``."""
        gained = self.exit_value_raw - self.entry_value_raw
        return gained if self.side is PositionSide.LONG else -gained

    @property
    def gross_profit(self) -> Decimal:
        """Sales less purchases."""
        return as_money(self.gross_raw)

    @property
    def net_profit(self) -> Decimal:
        """``gross_profit - fees``."""
        return as_money(self.gross_raw - self.fees_raw)

    @property
    def holding_time(self) -> timedelta:
        """From entry to exit."""
        return self.exit_time - self.entry_time


_NewTrade = Callable[[type[Trade], tuple[object, ...]], Trade]
new_trade = cast("_NewTrade", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``Trade(...)`` in a fraction of its time."""
