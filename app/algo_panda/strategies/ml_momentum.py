"""``ml_momentum``: follows a model that says where the price goes over the next ticks."""

from collections.abc import Sequence

from mypy_extensions import mypyc_attr

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.sharing import IndicatorPool
from algo_panda.domain.signals import SignalResult
from algo_panda.ml.direction import Outlook
from algo_panda.ml.features import MomentumFeatures, features_at
from algo_panda.strategies.parameters import ModelParameters, parameters_of
from algo_panda.strategies.state import StateCodec

STRATEGY_TYPE = "ml_momentum"


@mypyc_attr(allow_interpreted_subclasses=True)
class MlMomentum:
    """The strategy on one instrument: asks the model on every tick."""

    __slots__ = ("_codec", "_features", "_model", "_parameters")

    @property
    def history_size(self) -> int:
        """0: it keeps what it needs of the past itself."""
        return 0

    def __init__(self, parameters: ModelParameters) -> None:
        self._parameters = parameters
        self._codec = StateCodec(STRATEGY_TYPE, parameters)
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
        """Take ``tick``; a signal where the model is sure enough of a direction."""
        self._features.update(tick)
        features = self._features.row()
        return None if features is None else self.predict_signal(tick, features)

    def prepare_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> InferenceRequest | None:
        """Take ``tick``, and ask the model; None while the window is not full."""
        self._features.update(tick)
        features = self._features.row()
        return None if features is None else self._model.request(features)

    def conclude_tick(
        self, tick: MarketTick, _request: InferenceRequest, answer: Outlook | None, /
    ) -> SignalResult | None:
        """What the model's answer means."""
        return self._parameters.signal(tick, answer)

    def extract_features(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> Sequence[float] | None:
        """The features at ``tick`` after ``history`` alone; None where it has under 100 ticks."""
        return features_at((*history, tick))

    def predict_signal(self, tick: MarketTick, features: Sequence[float], /) -> SignalResult | None:
        """What the model makes of ``features``."""
        return self._parameters.signal(tick, self._model.outlook(features))

    def share_indicators(self, pool: IndicatorPool, /) -> None:
        """Use the features that other strategies on the instrument use."""
        self._features = pool.shared(self._features)

    def snapshot(self) -> bytes:
        """The window of the features."""
        return self._codec.pack(self._features.snapshot())

    def restore(self, state: bytes, /) -> None:
        """Go on from where ``snapshot`` gave ``state``.

        Raises:
            ValueError: it is of another version or other parameters, or damaged; nothing was
                changed.
        """
        (features,) = self._codec.unpack(state, 1)
        self._features = MomentumFeatures.restored(features)


def create_processor(config: StrategyConfig, _context: ExecutionContext) -> MlMomentum:
    """An ``ml_momentum`` with the parameters of ``config``.

    Raises:
        ValueError: a parameter cannot be used; the message names it.
    """
    return MlMomentum(parameters_of(config, ModelParameters))
