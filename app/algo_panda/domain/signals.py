"""What a strategy says, and the same with where it came from."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self, cast

from algo_panda.domain.money import from_raw, to_raw
from algo_panda.domain.timestamps import from_micros, to_micros


class SignalType(StrEnum):
    """What a signal asks for. ``HOLD`` is published like the others, and never an order."""

    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"

    __hash__ = str.__hash__  # as good as that of an Enum, which is written in Python


class _ResultFields(NamedTuple):
    signal_type: SignalType
    confidence: float
    """0 to 1."""
    quantity: int
    """Units of the instrument, positive also to sell."""
    price: Decimal
    """The price the strategy has in mind, in the instrument's currency."""
    reasoning: str | None = None


class SignalResult(_ResultFields):
    """What ``process_tick`` returns.

    Strings are taken for ``signal_type`` (any case). A confidence above 1 and up to 100 is a
    percentage and is divided by 100, once, here. Everything else that is out of range stays as
    it is, for the validator to refuse by name. A tuple, as ticks are, because it is made often.

    Raises:
        ValueError: ``signal_type`` is none of BUY, SELL, HOLD.
    """

    __slots__ = ()

    def __new__(
        cls,
        signal_type: SignalType | str,
        confidence: float,
        quantity: int,
        price: Decimal,
        reasoning: str | None = None,
    ) -> Self:
        """Normalise and make."""
        if type(signal_type) is not SignalType:
            signal_type = SignalType(str(signal_type).upper())
        if 1 < confidence <= 100:
            confidence = confidence / 100
        return super().__new__(cls, signal_type, confidence, quantity, price, reasoning)


_NewResult = Callable[
    [type[SignalResult], tuple[SignalType, float, int, Decimal, str]], SignalResult
]
new_result = cast("_NewResult", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``SignalResult(...)`` in a fifth of its time, for fields that are as they must be."""


class TradingSignal(NamedTuple):
    """A validated ``SignalResult`` and its provenance: one record on ``signals``.

    A pure function of the recorded tick, the strategy's state and its configuration: it holds
    no clock reading and no random number, so that redelivery and replay give the same bytes.
    Like a tick it is a tuple of whole numbers; read prices and times through the properties.
    """

    strategy_id: str
    strategy_type: str
    strategy_version: int
    """Version of the strategy's configuration row."""
    model_digest: str | None
    """SHA-256 of the model file, where the strategy has one."""
    instrument_token: int
    brokers: tuple[str, ...]
    """Where orders of it go; empty: nowhere, the signal is for its readers only."""
    tick_topic_id: str
    """Kafka's id of the ``ticks`` topic: another one means offsets began anew."""
    tick_partition: int
    tick_offset: int
    signal_id: str
    """``algo_panda.domain.ids.SignalIds.at``: the key to remove redelivered duplicates by."""
    signal_type: SignalType
    confidence: float
    quantity: int
    price_raw: int
    """The strategy's price in units of ``10**-8``."""
    reasoning: str | None
    event_time_us: int
    """Event time of the tick that caused it, microseconds since the epoch."""
    tick_price_raw: int
    """Last price of that tick, in units of ``10**-8``."""

    @classmethod
    def of(
        cls,
        *,
        strategy_id: str,
        strategy_type: str,
        strategy_version: int,
        model_digest: str | None,
        instrument_token: int,
        brokers: tuple[str, ...],
        tick_topic_id: str,
        tick_partition: int,
        tick_offset: int,
        signal_id: str,
        signal_type: SignalType,
        confidence: float,
        quantity: int,
        price: Decimal,
        reasoning: str | None,
        event_time: datetime,
        tick_price: Decimal,
    ) -> Self:
        """Make a signal of plain values.

        Raises:
            PriceError: a price has more than 8 decimals, is too large, or is no number.
            ValueError: the time is naive.
        """
        return cls(
            strategy_id,
            strategy_type,
            strategy_version,
            model_digest,
            instrument_token,
            brokers,
            tick_topic_id,
            tick_partition,
            tick_offset,
            signal_id,
            signal_type,
            confidence,
            quantity,
            to_raw(price),
            reasoning,
            to_micros(event_time),
            to_raw(tick_price),
        )

    @property
    def price(self) -> Decimal:
        """The price the strategy had in mind."""
        return from_raw(self.price_raw)

    @property
    def event_time(self) -> datetime:
        """Event time of the tick that caused it, aware UTC."""
        return from_micros(self.event_time_us)

    @property
    def tick_price(self) -> Decimal:
        """Last price of that tick."""
        return from_raw(self.tick_price_raw)
