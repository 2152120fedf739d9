"""Parameters of the strategies; not compiled, for pydantic makes the classes."""

from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar, cast

from pydantic import Field, model_validator

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.indicators import MAX_PERIOD, CutlerRsi, Level, Zone
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import plain
from algo_panda.domain.signals import SignalResult, SignalType
from algo_panda.ml.direction import SHIPPED_MODEL, Direction, DirectionModel, Outlook
from algo_panda.parameters import Parameters, parse_parameters

Quantity = Annotated[int, Field(strict=True, ge=1, lt=2**63)]
RsiValue = Annotated[Decimal, Field(ge=0, le=100, decimal_places=12)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

_BELOW = Zone.BELOW
_SIGNAL_TYPES = {Direction.UP: SignalType.BUY, Direction.DOWN: SignalType.SELL}


class StrategyParameters(Parameters):
    """What all have in common."""

    @cached_property
    def text(self) -> str:
        """All of them, the same text for equal ones."""
        return self.model_dump_json()


P = TypeVar("P", bound=StrategyParameters)
_MOST_KNOWN = 10_000
_known: dict[tuple[type[StrategyParameters], str], StrategyParameters] = {}


def parameters_of(config: StrategyConfig, model: type[P]) -> P:
    """The parameters of ``config``, read once for all its instruments.

    Raises:
        ParameterError: one is unknown, or has a value of the wrong form.
    """
    key = model, config.digest
    known = _known.get(key)
    if known is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[key] = parse_parameters(model, config.processor_parameters)
    return cast("P", known)


class RsiParameters(StrategyParameters):
    """Which RSI is computed, and what lies outside its neutral zone."""

    period: Annotated[int, Field(strict=True, ge=1, le=MAX_PERIOD)] = 14
    lower: RsiValue = Decimal(30)
    upper: RsiValue = Decimal(70)
    flat_rsi: RsiValue = Decimal(50)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lower > self.upper:
            raise ValueError(f"parameter lower is {self.lower}, above upper, {self.upper}")
        return self

    def rsi(self) -> CutlerRsi:
        """A new indicator."""
        return CutlerRsi(period=self.period, flat_rsi=self.flat_rsi)

    @cached_property
    def levels(self) -> tuple[Level, Level]:
        """Both ends of the neutral zone; they belong to it."""
        return Level.of(self.lower), Level.of(self.upper)

    def reason(self, rsi: float, zone: Zone) -> str:
        """What an RSI outside the neutral zone says, such as ``RSI 23.41 below 30``."""
        below, above = self.beyond
        return f"RSI {rsi:.2f}{below if zone is _BELOW else above}"

    @cached_property
    def beyond(self) -> tuple[str, str]:
        """How ``reason`` ends for a value below the neutral zone, and for one above it."""
        return f" below {plain(self.lower)}", f" above {plain(self.upper)}"


class ModelParameters(StrategyParameters):
    """Which model is asked, and how sure it must be."""

    model_path: Path | None = None
    """None: the model that ships with the package."""
    min_probability: Fraction = 0.6
    quantity: Quantity = 1

    def model(self) -> DirectionModel:
        """The model to ask, not yet loaded."""
        return DirectionModel(self.model_path or SHIPPED_MODEL)

    def decide(self, outlook: Outlook | None) -> SignalType | None:
        """What to do about ``outlook``: nothing where it is flat, too unsure, or missing."""
        if outlook is None or outlook.probability < self.min_probability:
            return None
        return _SIGNAL_TYPES.get(outlook.direction)

    def signal(self, tick: MarketTick, outlook: Outlook | None) -> SignalResult | None:
        """What to say at ``tick``, where ``outlook`` is a reason to do something."""
        signal_type = self.decide(outlook)
        if outlook is None or signal_type is None:
            return None
        return SignalResult(
            signal_type=signal_type,
            confidence=outlook.probability,
            quantity=self.quantity,
            price=tick.last_price,
            reasoning=str(outlook),
        )


class RulesRsiParameters(RsiParameters):
    """Parameters of ``rules_rsi``."""

    trigger: Literal["level", "cross"] = "level"
    """``level``: on every tick beyond a threshold; ``cross``: only on entering."""
    confidence: Fraction = 0.7
    quantity: Quantity = 1


class HybridParameters(RsiParameters, ModelParameters):
    """Parameters of ``hybrid_ml_rsi_filter``: those of the gate and those of the model."""
