"""When, at what price and how much of an order the paper venue fills.

All of it is a function of the order, the tick and a seed: the same recorded input gives the same
fills, live and replayed.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Final

from app.domain.errors import ConfigurationError
from app.domain.market import MarketTick
from app.domain.money import PRICE_PRECISION, to_raw
from app.domain.trading import Order, Side

_BPS: Final = 10_000
_HIGHEST_RAW: Final[int] = 10**PRICE_PRECISION - 1
"""The highest price that a record holds."""
_RANDOM_BITS: Final = 53
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
            raise ConfigurationError("spread or slippage in ticks: the tick size has to be set")
        if self.tick_size is not None and self.tick_size <= 0:
            raise ConfigurationError(f"the tick size {self.tick_size} is not above 0")
        if self.volume_limit is not None and not 0 < self.volume_limit <= 1:
            raise ConfigurationError(f"the volume limit {self.volume_limit} is not in (0, 1]")
        if not 0 <= self.slippage_probability <= 1:
            raise ConfigurationError(f"{self.slippage_probability} is no probability")

    def arrival_us(self, order: Order, caused_us: int) -> int:
        """When ``order`` reaches the venue, microseconds since the epoch."""
        jitter = self.latency_jitter_us
        extra = int(self._random(order, 0) * (jitter + 1)) if jitter else 0
        return caused_us + self.latency_us + extra

    def quantity(self, wanted: int, tick: MarketTick) -> int:
        """How many of ``wanted`` units ``tick`` fills."""
        limit = self.volume_limit
        if limit is None:
            return wanted
        traded = tick.last_traded_quantity
        # Whole numbers throughout: a strategy may set the thread's decimal context to anything.
        part, whole = limit.as_integer_ratio()
        return min(wanted, max(1, traded * part // whole)) if traded > 0 else 0

    def price_raw(self, order: Order, number: int, tick: MarketTick) -> int:
        """The price of the ``number``-th event of ``order``, a fill by ``tick``, in ``10**-8``."""
        worse = 0
        if self.spread:
            worse += -(-self._raw(self.spread, tick.price_raw) // 2)
        if self.slippage and self._slips(order, number):
            worse += self._raw(self.slippage, tick.price_raw)
        if not worse:
            return tick.price_raw
        step = 1 if self.tick_size is None else to_raw(self.tick_size)
        if order.side is Side.BUY:
            return min(-(-(tick.price_raw + worse) // step), _HIGHEST_RAW // step) * step
        return max((tick.price_raw - worse) // step * step, step)

    def _slips(self, order: Order, number: int) -> bool:
        likely = self.slippage_probability
        return likely >= 1 or self._random(order, number) < likely

    def _raw(self, markup: Markup, price_raw: int) -> int:
        """``markup`` in ``10**-8``, rounded up."""
        bps, of_bps = markup.bps.as_integer_ratio()
        in_bps = -(-price_raw * bps // (_BPS * of_bps))
        ticks, of_ticks = markup.ticks.as_integer_ratio()
        in_ticks = ticks * to_raw(self.tick_size) // of_ticks if self.tick_size else 0
        return in_bps + in_ticks

    def _random(self, order: Order, number: int) -> float:
        """Evenly spread in [0, 1): of the seed, the order and ``number`` alone."""
        text = f"{self.seed}|{order.client_order_id}|{number}".encode()
        digest = blake2b(text, digest_size=8).digest()
        bits = int.from_bytes(digest, "big") >> (64 - _RANDOM_BITS)
        return bits * 2.0**-_RANDOM_BITS
