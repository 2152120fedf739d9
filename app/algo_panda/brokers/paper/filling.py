"""When, at what price and how much of an order the paper venue fills.

All of it is a function of the order, the tick and a seed: the same recorded input gives the same
fills, live and replayed. Whole numbers throughout: a strategy may set the thread's decimal context
to anything.
"""

from hashlib import blake2b
from typing import Final

from algo_panda.brokers.paper.fills import FillModel, Markup
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import PRICE_PRECISION, to_raw
from algo_panda.domain.trading import Order, Side

_BPS: Final = 10_000
_HIGHEST_RAW: Final[int] = 10**PRICE_PRECISION - 1
"""The highest price that a record holds."""
_RANDOM_BITS: Final = 53
_BUY: Final = Side.BUY


class _Markup:
    """A ``Markup`` in ``10**-8``, rounded up."""

    def __init__(self, markup: Markup, step: int) -> None:
        self.is_nothing = not markup
        self._bps, of_bps = markup.bps.as_integer_ratio()
        self._of_bps: int = _BPS * of_bps
        ticks, of_ticks = markup.ticks.as_integer_ratio()
        self._in_ticks: int = ticks * step // of_ticks

    def raw(self, price_raw: int) -> int:
        return -(-price_raw * self._bps // self._of_bps) + self._in_ticks


class Filling:
    """A ``FillModel`` at work."""

    def __init__(self, model: FillModel) -> None:
        self.expire_after_us: int = model.expire_after_us
        size = None if model.tick_size is None else to_raw(model.tick_size)
        self._step = size or 1
        self._spread = _Markup(model.spread, size or 0)
        self._slippage = _Markup(model.slippage, size or 0)
        self._likely: float = model.slippage_probability
        self._latency_us: int = model.latency_us
        self._jitter_us: int = model.latency_jitter_us
        self._seed: int = model.seed
        self._is_limited = model.volume_limit is not None
        self._part, self._whole = (model.volume_limit or 0).as_integer_ratio()

    def arrival_us(self, order: Order, caused_us: int) -> int:
        """When ``order`` reaches the venue, microseconds since the epoch."""
        jitter = self._jitter_us
        extra = int(self._random(order, 0) * (jitter + 1)) if jitter else 0
        return caused_us + self._latency_us + extra

    def quantity(self, wanted: int, tick: MarketTick) -> int:
        """How many of ``wanted`` units ``tick`` fills."""
        if not self._is_limited:
            return wanted
        traded = tick.last_traded_quantity
        return min(wanted, max(1, traded * self._part // self._whole)) if traded > 0 else 0

    def price_raw(self, order: Order, number: int, tick: MarketTick) -> int:
        """The price of the ``number``-th event of ``order``, a fill by ``tick``, in ``10**-8``."""
        price_raw, worse = tick.price_raw, 0
        if not self._spread.is_nothing:
            worse += -(-self._spread.raw(price_raw) // 2)
        if not self._slippage.is_nothing and self._slips(order, number):
            worse += self._slippage.raw(price_raw)
        if not worse:
            return price_raw
        step = self._step
        if order.side is _BUY:
            return min(-(-(price_raw + worse) // step), _HIGHEST_RAW // step) * step
        return max((price_raw - worse) // step * step, step)

    def _slips(self, order: Order, number: int) -> bool:
        likely = self._likely
        return likely >= 1 or self._random(order, number) < likely

    def _random(self, order: Order, number: int) -> float:
        """Evenly spread in [0, 1): of the seed, the order and ``number`` alone."""
        text = f"{self._seed}|{order.client_order_id}|{number}".encode()
        digest = blake2b(text, digest_size=8).digest()
        bits = int.from_bytes(digest, "big") >> (64 - _RANDOM_BITS)
        return bits * 2.0**-_RANDOM_BITS
