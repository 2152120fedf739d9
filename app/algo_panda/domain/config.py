"""A strategy as it is configured, and where one processor of it runs."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

DEFAULT_VALIDATOR = "standard"
DEFAULT_BAR_SECONDS = 60

RUNNER_PARAMETERS = frozenset({"bar_seconds", "validation"})
"""Parameters that the runner and the validator read; the processor does not see them."""


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
    def validation(self) -> Mapping[str, Any]:
        """Parameters of the validator."""
        given: Mapping[str, Any] = self.parameters.get("validation", {})
        return given

    @property
    def processor_parameters(self) -> dict[str, Any]:
        """Parameters of the processor: all but those of runner and validator."""
        return {k: v for k, v in self.parameters.items() if k not in RUNNER_PARAMETERS}

    def _digest(self) -> str:
        decides = {
            "type": self.strategy_type,
            "parameters": dict(self.parameters),
            "validator": self.validator,
            "brokers": self.brokers,
        }
        canonical = json.dumps(decides, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContext:
    """Where one processor runs."""

    instrument_token: int
    brokers: tuple[str, ...]
    """Where its orders go."""
