"""What a strategy says, and the same with where it came from."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class SignalType(StrEnum):
    """What a signal asks for. ``HOLD`` is published like the others, and never an order."""

    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalResult:
    """What ``process_tick`` returns.

    Strings are taken for ``signal_type`` (any case). A confidence above 1 and up to 100 is a
    percentage and is divided by 100, once, here. Everything else that is out of range stays as
    it is, for the validator to refuse by name.

    Raises:
        ValueError: ``signal_type`` is none of BUY, SELL, HOLD.
    """

    signal_type: SignalType
    confidence: float
    """0 to 1."""
    quantity: int
    """Units of the instrument, positive also to sell."""
    price: Decimal
    """The price the strategy has in mind, in the instrument's currency."""
    reasoning: str | None = None

    def __post_init__(self) -> None:
        if type(self.signal_type) is not SignalType:
            object.__setattr__(self, "signal_type", SignalType(str(self.signal_type).upper()))
        if 1 < self.confidence <= 100:
            object.__setattr__(self, "confidence", self.confidence / 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSignal:
    """A validated ``SignalResult`` and its provenance: one record on ``signals``.

    A pure function of the recorded tick, the strategy's state and its configuration: it holds
    no clock reading and no random number, so that redelivery and replay give the same bytes.
    """

    signal_id: str
    """``app.domain.ids.signal_id``: the key to remove redelivered duplicates by."""
    strategy_id: str
    strategy_type: str
    strategy_version: int
    """Version of the strategy's configuration row."""
    model_digest: str | None
    """SHA-256 of the model file, where the strategy has one."""
    instrument_token: int
    signal_type: SignalType
    confidence: float
    quantity: int
    price: Decimal
    reasoning: str | None
    event_time: datetime
    """Event time of the tick that caused it, aware UTC."""
    tick_price: Decimal
    """Last price of that tick."""
    brokers: tuple[str, ...]
    """Where orders of it go; empty: nowhere, the signal is for its readers only."""
    tick_topic_id: str
    """Kafka's id of the ``ticks`` topic: another one means offsets began anew."""
    tick_partition: int
    tick_offset: int
