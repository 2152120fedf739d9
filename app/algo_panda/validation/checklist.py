"""A validator is a list of checks, and the parameters that they were made with."""

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import Violation
from algo_panda.parameters import ParameterError, Parameters, parse_parameters
from algo_panda.validation.checks import Check

PREFIX = "validation."
"""Where the parameters stand in a strategy's row."""


class ChecklistValidator:
    """Runs checks in their order; the first that finds something decides."""

    __slots__ = ("_checks", "_parameters")

    def __init__(self, checks: tuple[Check, ...], parameters: type[Parameters]) -> None:
        self._checks = checks
        self._parameters = parameters

    def validate_signal(self, signal: SignalResult, market_data: MarketTick, /) -> Violation | None:
        """What is wrong with ``signal`` at ``market_data``, or None."""
        for check in self._checks:
            violation = check(signal, market_data)
            if violation is not None:
                return violation
        return None

    def validate_configuration(self, config: StrategyConfig, /) -> tuple[str, ...]:
        """What is wrong with ``validation`` in the parameters of ``config``, a sentence each."""
        try:
            parse_parameters(self._parameters, config.validation, prefix=PREFIX)
        except ParameterError as error:
            return error.problems
        return ()
