"""What a strategy says, with where it came from."""

from app.domain.config import StrategyConfig
from app.domain.ids import SignalIds, rejection_id
from app.domain.market import MarketTick
from app.domain.signals import SignalResult, TradingSignal
from app.domain.trading import Rejection, Stage, Violation


class Provenance:
    """Everything that the signals of one strategy on one instrument have in common."""

    __slots__ = (
        "_brokers",
        "_config",
        "_ids",
        "_model_digest",
        "_partition",
        "_strategy_id",
        "_token",
        "_topic_id",
    )

    def __init__(
        self,
        *,
        config: StrategyConfig,
        instrument_token: int,
        model_digest: str | None,
        topic_id: str,
        partition: int,
    ) -> None:
        self._config = config
        self._strategy_id = str(config.id)
        self._token = instrument_token
        self._model_digest = model_digest
        self._topic_id = topic_id
        self._partition = partition
        self._brokers = config.brokers
        self._ids = SignalIds(
            strategy_id=self._strategy_id,
            instrument_token=instrument_token,
            topic_id=topic_id,
            partition=partition,
        )

    def signal(self, result: SignalResult, tick: MarketTick, offset: int) -> TradingSignal:
        """``result``, caused by ``tick`` at ``offset``."""
        return TradingSignal(
            signal_id=self._ids.at(offset),
            strategy_id=self._strategy_id,
            strategy_type=self._config.strategy_type,
            strategy_version=self._config.version,
            model_digest=self._model_digest,
            instrument_token=self._token,
            signal_type=result.signal_type,
            confidence=result.confidence,
            quantity=result.quantity,
            price=result.price,
            reasoning=result.reasoning,
            event_time=tick.event_time,
            tick_price=tick.last_price,
            brokers=self._brokers,
            tick_topic_id=self._topic_id,
            tick_partition=self._partition,
            tick_offset=offset,
        )

    def rejection(self, violation: Violation, tick: MarketTick, offset: int) -> Rejection:
        """The refusal of a signal that ``tick`` at ``offset`` caused."""
        signal_id = self._ids.at(offset)
        return Rejection(
            rejection_id=rejection_id(Stage.RUNNER, signal_id),
            stage=Stage.RUNNER,
            code=violation.code,
            reason=violation.reason,
            signal_id=signal_id,
            strategy_id=self._strategy_id,
            strategy_type=self._config.strategy_type,
            instrument_token=self._token,
            account=None,
            broker=None,
            event_time=tick.event_time,
            tick_partition=self._partition,
            tick_offset=offset,
        )
