"""How the paper venue fills orders, as people set it; ``filling`` does so."""

import re
from dataclasses import dataclass
from decimal import Decimal

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.money import PriceError, to_raw

_MARKUP = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ticks?|bps)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """A part of a price: so many tick sizes, and so many basis points (hundredths of a percent)."""

    ticks: Decimal = Decimal(0)
    bps: Decimal = Decimal(0)

    @classmethod
    def parse(cls, text: str) -> "Markup":
        """Read ``0``, ``2 ticks`` or ``1.5 bps``.

        Raises:
            ConfigurationError: it is none of these.
        """
        if text.strip() == "0":
            return cls()
        match = _MARKUP.fullmatch(text)
        if match is None:
            raise ConfigurationError(f"{text!r} is not like '2 ticks', '1.5 bps' or '0'")
        number = Decimal(match[1])
        return cls(bps=number) if match[2] == "bps" else cls(ticks=number)

    def __bool__(self) -> bool:
        return bool(self.ticks or self.bps)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillModel:
    """How the paper venue fills market orders.

    An order is filled by the first tick of its instrument behind the one that caused it whose
    event time is not before the order's arrival at the venue, at that tick's price, made worse by
    half the spread and by slippage. A tick with time and price of the causing one counts as that
    one: it may be the same trade, delivered again.

    Raises:
        ConfigurationError: a number is out of range, or ticks are named without a tick size.
    """

    spread: Markup = Markup()
    """Between bid and ask; half of it is paid."""
    slippage: Markup = Markup()
    slippage_probability: float = 1.0
    """How likely a fill slips (as ``prob_slippage`` of nautilus_trader's ``FillModel``)."""
    tick_size: Decimal | None = None
    """Smallest step of prices. A price that was made worse is rounded to it, against the order."""
    latency_us: int = 0
    """From the tick that caused an order to its arrival at the venue, microseconds."""
    latency_jitter_us: int = 0
    """Up to so much more, evenly spread."""
    volume_limit: Decimal | None = None
    """The part of a tick's traded quantity that one order may take, at least one unit; the rest
    of the order waits for the next tick. None: any tick fills any order whole."""
    expire_after_us: int = 6 * 3_600 * 1_000_000
    """What is not filled so long after it was caused expires: orders do not wait for tomorrow."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tick_size is None and (self.spread.ticks or self.slippage.ticks):
            raise ConfigurationError(
                "a spread or slippage in ticks needs a tick size: set PANDA_PAPER_TICK_SIZE"
            )
        if self.tick_size is not None:
            try:
                step = to_raw(self.tick_size)
            except PriceError as error:
                raise ConfigurationError(f"the tick size: {error}") from error
            if step <= 0:
                raise ConfigurationError(f"the tick size {self.tick_size} is not above 0")
        if self.volume_limit is not None and not 0 < self.volume_limit <= 1:
            raise ConfigurationError(
                f"the volume limit {self.volume_limit} is not above 0 and at most 1"
            )
        if not 0 <= self.slippage_probability <= 1:
            raise ConfigurationError(
                f"the slippage probability {self.slippage_probability} is not between 0 and 1"
            )
