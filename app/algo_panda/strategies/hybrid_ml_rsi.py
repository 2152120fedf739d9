"""``hybrid_ml_rsi_filter``: the RSI opens the gate, then the model decides."""

from collections.abc import Sequence

from mypy_extensions import mypyc_attr

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.indicators import Zone
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.sharing import IndicatorPool
from algo_panda.domain.signals import SignalResult
from algo_panda.ml.direction import Outlook
from algo_panda.ml.features import MomentumFeatures, features_at
from algo_panda.strategies.parameters import HybridParameters, parameters_of
from algo_panda.strategies.state import StateCodec

STRATEGY_TYPE = "hybrid_ml_rsi_filter"


@mypyc_attr(allow_interpreted_subclasses=True)
class HybridMlRsi:
    """The strategy on one instrument.

    Outside the neutral zone of the RSI the gate is open, and the model alone decides whether to
    buy or to sell, on whichever side of the zone the RSI stands. Within it the model is not asked.
    """

    __slots__ = ("_codec", "_features", "_lower", "_model", "_parameters", "_rsi", "_upper")

    @property
    def history_size(self) -> int:
        """0: it keeps what it needs of the past itself."""
        return 0

    def __init__(self, parameters: HybridParameters) -> None:
        self._parameters = parameters
        self._codec = StateCodec(STRATEGY_TYPE, parameters)
        self._rsi = parameters.rsi()
        self._lower, self._upper = parameters.levels
        self._features = MomentumFeatures()
        self._model = parameters.model()

    @property
    def model_digest(self) -> str | None:
        """SHA-256 of the model file in hex; None before it is loaded."""
        return self._model.digest

    @property
    def failure_reason(self) -> str | None:
        """Why the model could not be loaded, or None."""
        return self._model.failure_reason

    def load_model(self) -> bool:
        """Load the model; False, with the reason in the log, where it cannot be used."""
        return self._model.load()

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        """Take ``tick``; a signal where the gate is open and the model sure of a direction."""
        features = self._gated(tick)
        return None if features is None else self.predict_signal(tick, features)

    def prepare_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> InferenceRequest | None:
        """Take ``tick``, and ask the model where the gate is open."""
        features = self._gated(tick)
        return None if features is None else self._model.request(features, self._gate())

    def conclude_tick(
        self, tick: MarketTick, request: InferenceRequest, answer: Outlook | None, /
    ) -> SignalResult | None:
        """What the model's answer means; the request is about what the gate was opened by."""
        return self._decided(tick, answer, request.about)

    def extract_features(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> Sequence[float] | None:
        """The features at ``tick`` after ``history`` alone; None where it has under 100 ticks."""
        return features_at((*history, tick))

    def predict_signal(self, tick: MarketTick, features: Sequence[float], /) -> SignalResult | None:
        """What the model makes of ``features``, the gate being open."""
        return self._decided(tick, self._model.outlook(features), self._gate())

    def share_indicators(self, pool: IndicatorPool, /) -> None:
        """Use the features that other strategies on the instrument use."""
        self._features = pool.shared(self._features)

    def snapshot(self) -> bytes:
        """The windows of the RSI and of the features."""
        return self._codec.pack(self._rsi.snapshot(), self._features.snapshot())

    def restore(self, state: bytes, /) -> None:
        """Go on from where ``snapshot`` gave ``state``.

        Raises:
            ValueError: it is of another version or other parameters, or damaged; nothing was
                changed.
        """
        window, features = self._codec.unpack(state, 2)
        restored = MomentumFeatures.restored(features)
        self._rsi.restore(window)
        self._features = restored

    def _gated(self, tick: MarketTick) -> Sequence[float] | None:
        """The features at ``tick``; None where the gate is shut, or there are none yet."""
        self._features.update(tick)
        if not self._rsi.update(tick.price_raw) or self._zone() is Zone.WITHIN:
            return None
        return self._features.row()

    def _zone(self) -> Zone:
        return self._rsi.zone(self._lower, self._upper)

    def _gate(self) -> tuple[float, Zone]:
        """What the gate stands open by."""
        return self._rsi.value, self._zone()

    def _decided(
        self, tick: MarketTick, outlook: Outlook | None, gate: tuple[float, Zone]
    ) -> SignalResult | None:
        signal = self._parameters.signal(tick, outlook)
        if signal is None:
            return None
        return signal._replace(reasoning=f"{self._parameters.reason(*gate)}; {signal.reasoning}")


def create_processor(config: StrategyConfig, _context: ExecutionContext) -> HybridMlRsi:
    """A ``hybrid_ml_rsi_filter`` with the parameters of ``config``.

    Raises:
        ValueError: a parameter cannot be used; the message names it.
    """
    return HybridMlRsi(parameters_of(config, HybridParameters))
