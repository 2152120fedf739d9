"""What a strategy says, with where it came from."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, cast

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.ids import SignalIds, rejection_id
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import PriceError, to_raw
from algo_panda.domain.signals import SignalResult, SignalType, TradingSignal
from algo_panda.domain.trading import Rejection, Stage, Violation
from algo_panda.runner.explain import shown
from algo_panda.runner.plain import plain_values

_NewSignal = Callable[[type[TradingSignal], tuple[object, ...]], TradingSignal]
new_signal: Final = cast("_NewSignal", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""What ``TradingSignal(...)`` does, in a fraction of its time: one is made for every signal."""

_SIGNAL: Final = TradingSignal
_TYPE: Final = SignalType
_DECIMAL: Final = Decimal


class Provenance:
    """Everything that the signals of one strategy at one partition have in common.

    One does for all instruments: of what each of them had for itself, nothing would be in a cache
    when its next signal comes.
    """

    __slots__ = ("_before_token", "_behind_token", "_config", "_ids", "_partition")

    def __init__(
        self,
        *,
        config: StrategyConfig,
        model_digest: str | None,
        topic_id: str,
        partition: int,
    ) -> None:
        self._config = config
        self._partition = partition
        before: tuple[object, ...] = (
            config.strategy_id,
            config.strategy_type,
            config.version,
            model_digest,
        )
        behind: tuple[object, ...] = (config.brokers, topic_id, partition)
        self._before_token, self._behind_token = before, behind
        self._ids = SignalIds(
            strategy_id=config.strategy_id, topic_id=topic_id, partition=partition
        )

    def signal(self, result: SignalResult, tick: MarketTick, offset: int) -> TradingSignal:
        """``result``, caused by ``tick`` at ``offset``.

        Raises:
            PriceError: the price cannot stand as one: no Decimal, too many decimals, too large.
            UnusableValueError: another field cannot be read.
            BaseException: whatever the class of the price raises.
        """
        # A validator of its own may have let pass values of any type. The other numbers stay the
        # objects that they are, too: compiled code makes an int anew wherever it knows of one.
        fields = cast("tuple[Any, ...]", result)
        signal_type, confidence, quantity, price, reasoning = fields
        if (
            type(signal_type) is not _TYPE
            or type(confidence) is not float
            or type(quantity) is not int
        ):
            signal_type, confidence, quantity = plain_values(signal_type, confidence, quantity)
        if type(price) is not _DECIMAL and not isinstance(price, _DECIMAL):
            # Some floats have few decimals: a signal must not depend on which.
            raise PriceError(f"price {price!r} is no Decimal")
        token, event_time_us, tick_price_raw, _, _, _ = cast("tuple[Any, ...]", tick)
        strategy_id, strategy_type, version, digest = self._before_token
        brokers, topic_id, partition = self._behind_token
        return new_signal(
            _SIGNAL,
            (
                strategy_id,
                strategy_type,
                version,
                digest,
                token,
                brokers,
                topic_id,
                partition,
                offset,
                self._ids.at(token, offset),
                signal_type,
                confidence,
                quantity,
                to_raw(price),
                reasoning,
                event_time_us,
                tick_price_raw,
            ),
        )

    def rejection(self, violation: Violation, tick: MarketTick, offset: int) -> Rejection:
        """The refusal of a signal that ``tick`` at ``offset`` caused."""
        signal_id = self._ids.at(tick.instrument_token, offset)
        return Rejection(
            rejection_id=rejection_id(Stage.RUNNER, signal_id),
            stage=Stage.RUNNER,
            code=violation.code,
            reason=shown(violation.reason),
            signal_id=signal_id,
            strategy_id=self._config.strategy_id,
            strategy_type=self._config.strategy_type,
            instrument_token=tick.instrument_token,
            account=None,
            broker=None,
            event_time=tick.event_time,
            tick_partition=self._partition,
            tick_offset=offset,
        )
