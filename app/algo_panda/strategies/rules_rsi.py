"""``rules_rsi``: buys when Cutler's RSI is below a threshold, sells when it is above another."""

from collections.abc import Sequence
from typing import Final

from mypy_extensions import mypyc_attr

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.decimals import two_places
from algo_panda.domain.indicators import Zone
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import from_raw
from algo_panda.domain.signals import SignalResult, SignalType, new_result
from algo_panda.strategies.parameters import RulesRsiParameters, parameters_of
from algo_panda.strategies.state import StateCodec

STRATEGY_TYPE = "rules_rsi"

_BELOW: Final = Zone.BELOW
_WITHIN: Final = Zone.WITHIN
_BUY: Final = SignalType.BUY
_SELL: Final = SignalType.SELL
_NEW_RESULT: Final = new_result
_RESULT: Final = SignalResult


@mypyc_attr(allow_interpreted_subclasses=True)
class RulesRsi:
    """The strategy on one instrument. This is the hot path: no history, no work without a signal.

    With ``trigger`` ``cross``, a signal is given where the RSI is beyond a threshold and was not
    beyond the same one at the tick before; the first RSI there is counts as entered from within.
    """

    __slots__ = (
        "_above",
        "_below",
        "_codec",
        "_confidence",
        "_lower",
        "_on_entering",
        "_quantity",
        "_rsi",
        "_upper",
        "_zone",
    )

    @property
    def history_size(self) -> int:
        """0: it keeps what it needs of the past itself."""
        return 0

    def __init__(self, parameters: RulesRsiParameters) -> None:
        self._confidence, self._quantity = parameters.confidence, parameters.quantity
        self._below, self._above = parameters.beyond
        self._codec = StateCodec(STRATEGY_TYPE, parameters)
        self._rsi = parameters.rsi()
        self._lower, self._upper = parameters.levels
        self._on_entering = parameters.trigger == "cross"
        self._zone = _WITHIN

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        """Take ``tick``; a signal where the RSI stands beyond a threshold."""
        rsi = self._rsi
        if not rsi.update(tick.price_raw):
            return None
        zone = rsi.zone(self._lower, self._upper)
        before = self._zone
        self._zone = zone
        if zone is _WITHIN or (self._on_entering and zone is before):
            return None
        kind, beyond = (_BUY, self._below) if zone is _BELOW else (_SELL, self._above)
        return _NEW_RESULT(
            _RESULT,
            (
                kind,
                self._confidence,
                self._quantity,
                from_raw(tick.price_raw),  # tick.last_price, without the detour
                "RSI " + two_places(rsi.value) + beyond,  # so is this, of RsiParameters.reason
            ),
        )

    def snapshot(self) -> bytes:
        """The RSI's window and the zone it stands in."""
        return self._codec.pack(self._rsi.snapshot(), self._zone.value.encode())

    def restore(self, state: bytes, /) -> None:
        """Go on from where ``snapshot`` gave ``state``.

        Raises:
            ValueError: it is of another version or other parameters, or damaged; nothing was
                changed.
        """
        window, zone_name = self._codec.unpack(state, 2)
        zone = Zone(zone_name.decode())
        self._rsi.restore(window)
        self._zone = zone


def create_processor(config: StrategyConfig, _context: ExecutionContext) -> RulesRsi:
    """A ``rules_rsi`` with the parameters of ``config``.

    Raises:
        ValueError: a parameter cannot be used; the message names it.
    """
    return RulesRsi(parameters_of(config, RulesRsiParameters))
