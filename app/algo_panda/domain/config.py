"""A strategy as it is configured, and where one processor of it runs."""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self, cast
from uuid import UUID

DEFAULT_VALIDATOR = "standard"
DEFAULT_BAR_SECONDS = 60

_LARGEST: Final = sys.float_info.max

COMMON_PARAMETERS = frozenset({"bar_seconds", "validation", "max_position_size", "risk_multiplier"})
"""Parameters that every strategy type has; not among ``processor_parameters``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyConfig:
    """One row of ``strategy_configurations``; immutable, a change is a new ``version``.

    Raises:
        ValueError: no instruments, or a parameter of the runner of the wrong form.
    """

    id: UUID
    strategy_type: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    instruments: tuple[int, ...]
    active_brokers: tuple[str, ...] | None = None
    """Where orders go; empty: signals only; None: ``zerodha_trading_enabled`` decides."""
    validator_type: str | None = None
    enabled: bool = True
    zerodha_trading_enabled: bool = False
    version: int = 1
    strategy_id: str = field(init=False, repr=False, compare=False)
    """``id`` as text, which is what records carry."""
    digest: str = field(init=False, repr=False, compare=False)
    """SHA-256, in hex, over all that decides what the strategy says and where it goes."""

    def __post_init__(self) -> None:
        if not self.instruments:
            raise ValueError("instruments is empty: name at least one instrument token")
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        seconds = self.parameters.get("bar_seconds", DEFAULT_BAR_SECONDS)
        if type(seconds) is not int or seconds < 1:
            raise ValueError(f"bar_seconds is {seconds!r}, not a whole number of seconds")
        if not isinstance(self.parameters.get("validation", {}), Mapping):
            raise ValueError("validation is not an object of validator parameters")
        object.__setattr__(self, "strategy_id", str(self.id))
        object.__setattr__(self, "digest", self._digest())

    @property
    def brokers(self) -> tuple[str, ...]:
        """Where orders of this strategy go, decided by the first rule that applies."""
        if self.active_brokers is not None:
            return self.active_brokers
        return ("zerodha",) if self.zerodha_trading_enabled else ("paper",)

    @property
    def validator(self) -> str:
        """The type of the validator; ``standard`` unless named."""
        return self.validator_type or DEFAULT_VALIDATOR

    @property
    def bar_seconds(self) -> int:
        """Interval of the bars that the processor gets, where it wants any."""
        seconds: int = self.parameters.get("bar_seconds", DEFAULT_BAR_SECONDS)
        return seconds

    @property
    def max_position_size(self) -> int | None:
        """Largest position, in units, per instrument and account; None: only that of risk.

        Raises:
            ValueError: the parameter is not a whole number above 0.
        """
        size: object = self.parameters.get("max_position_size")
        if size is None:
            return None
        if type(size) is not int or size < 1:
            raise ValueError(f"max_position_size is {size!r}, not a whole number above 0")
        return size

    @property
    def risk_multiplier(self) -> float:
        """A factor for the strategy's own use, such as to scale quantities; 1 by default.

        Raises:
            ValueError: the parameter is not a finite number above 0.
        """
        factor: object = self.parameters.get("risk_multiplier", 1.0)
        if type(factor) not in {int, float} or not 0 < cast("float", factor) <= _LARGEST:
            raise ValueError(f"risk_multiplier is {factor!r}, not a finite number above 0")
        return float(cast("float", factor))

    @property
    def instrument_tokens(self) -> tuple[int, ...]:
        """``instruments``, by the name that ``create_strategy`` uses."""
        return self.instruments

    @property
    def validation(self) -> Mapping[str, Any]:
        """Parameters of the validator."""
        given: Mapping[str, Any] = self.parameters.get("validation", {})
        return given

    @property
    def processor_parameters(self) -> dict[str, Any]:
        """Parameters of the processor: all but those of runner, validator and risk."""
        return {k: v for k, v in self.parameters.items() if k not in COMMON_PARAMETERS}

    def _digest(self) -> str:
        decides = {
            "type": self.strategy_type,
            "parameters": dict(self.parameters),
            "validator": self.validator,
            "brokers": self.brokers,
        }
        canonical = json.dumps(decides, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()


_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NO_LIMITS: Mapping[str, Any] = MappingProxyType({"max_position": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContext:
    """Where one processor runs."""

    instrument_token: int
    brokers: tuple[str, ...]
    """Where its orders go."""
    portfolio_state: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, hash=False)
    """Positions of the strategy; empty in this version."""
    market_session: str = "regular"
    """Always ``regular`` in this version."""
    risk_limits: Mapping[str, Any] = field(default_factory=lambda: _NO_LIMITS, hash=False)
    """``max_position`` is the ``max_position_size`` of the strategy, or None. Read-only."""

    @classmethod
    def of(cls, config: StrategyConfig, instrument_token: int) -> Self:
        """Return the context of a strategy on one of its instruments.

        Raises:
            ValueError: ``max_position_size`` is invalid.
        """
        return cls(
            instrument_token=instrument_token,
            brokers=config.brokers,
            risk_limits=MappingProxyType({"max_position": config.max_position_size}),
        )

    @property
    def broker(self) -> str | None:
        """The first of ``brokers``; None if the strategy only emits signals."""
        return self.brokers[0] if self.brokers else None
