"""Which strategies run, and on which instruments: decided at start-up."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from algo_panda.domain.arithmetic import computing_in
from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.executor import StrategyExecutor
from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.offers import offers
from algo_panda.domain.protocols import ExplainsFailure, LoadsModel, ShutsDown
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.runner.explain import described, shown
from algo_panda.runner.ports import RunnerTelemetry, StatusSink

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A strategy that takes ticks."""

    config: StrategyConfig
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """A strategy that does not, and why."""

    config: StrategyConfig
    reason: str


class StrategyRegistry:
    """Makes the executors of the strategies that could be started.

    Every strategy is made once at start-up, on its first instrument, to see whether it can be:
    that instance is the one that later takes this instrument's ticks. Those on its other
    instruments are made when the first tick of theirs comes, so that a worker holds processors
    for its own partitions only.
    """

    def __init__(
        self, factory: StrategyFactory, telemetry: RunnerTelemetry, status: StatusSink
    ) -> None:
        self._factory = factory
        self._telemetry = telemetry
        self._status = status
        self._instrument_to_strategies: dict[int, list[StrategyConfig]] = {}
        self._made: dict[tuple[str, int], StrategyExecutor] = {}

    def register(self, config: StrategyConfig) -> Registered | Disabled:
        """Try to start one strategy; a failure is its own and nobody else's."""
        outcome = self._try(config)
        match outcome:
            case Registered(capabilities=capabilities):
                for token in dict.fromkeys(config.instruments):
                    self._instrument_to_strategies.setdefault(token, []).append(config)
                self._telemetry.strategy_registered(config, has_model=capabilities.load_model)
                self._report(config, StrategyState.REGISTERED, None)
                logger.info("strategy %s (%s) registered", config.id, config.strategy_type)
            case Disabled(reason=reason):
                self._report(config, StrategyState.DISABLED, reason)
                logger.error(
                    "strategy %s (%s) disabled: %s", config.id, config.strategy_type, reason
                )
        return outcome

    def strategies_on(self, token: int) -> Sequence[StrategyConfig]:
        """The registered strategies that want ``token``, in order of registration."""
        return self._instrument_to_strategies.get(token, ())

    def executor(self, config: StrategyConfig, token: int) -> StrategyExecutor | None:
        """A new executor, or None where it cannot be made; that is then reported."""
        made = self._made.pop((config.strategy_id, token), None)
        return made if made is not None else self._make(config, token)

    def shut_down(self, executor: StrategyExecutor) -> None:
        """Call the processor's ``shutdown``, where it has one; an exception is a warning."""
        if not executor.capabilities.shutdown:
            return
        try:
            with computing_in(executor.arithmetic):
                cast("ShutsDown", executor.processor).shutdown()
        except BaseException as error:  # a strategy may raise anything
            if is_interrupt(error):
                raise
            logger.warning("strategy %s: shutdown failed: %s", executor.config.id, described(error))

    def close(self) -> None:
        """Shut down what was made and never handed out."""
        for executor in self._made.values():
            self.shut_down(executor)
        self._made.clear()

    def _try(self, config: StrategyConfig) -> Registered | Disabled:
        token = config.instruments[0]
        try:
            executor = self._factory.create_executor(config, token)
        except BaseException as error:  # a strategy's own code runs in there
            if is_interrupt(error):
                raise
            return Disabled(config=config, reason=_reason(error))
        if executor.capabilities.load_model:
            problem = _load_model(executor)
            self._telemetry.model_loaded(config, loaded=problem is None)
            if problem is not None:
                return Disabled(config=config, reason=problem)
        self._made[config.strategy_id, token] = executor
        return Registered(config=config, capabilities=executor.capabilities)

    def _make(self, config: StrategyConfig, token: int) -> StrategyExecutor | None:
        problem: str | None
        try:
            executor = self._factory.create_executor(config, token)
            problem = _load_model(executor) if executor.capabilities.load_model else None
        except BaseException as error:  # a strategy's own code runs in there
            if is_interrupt(error):
                raise
            problem = _reason(error)
        else:
            if problem is None:
                return executor
        logger.error("strategy %s cannot start on instrument %d: %s", config.id, token, problem)
        self._report(config, StrategyState.DISABLED, problem, token)
        return None

    def _report(
        self,
        config: StrategyConfig,
        state: StrategyState,
        reason: str | None,
        token: int | None = None,
    ) -> None:
        self._status.report(
            StrategyStatus(
                strategy_id=config.id,
                strategy_version=config.version,
                state=state,
                reason=reason,
                instrument_token=token,
            )
        )


def _load_model(executor: StrategyExecutor) -> str | None:
    """Load the model of a processor that has one; why it could not be, or None."""
    processor = executor.processor
    try:
        with computing_in(executor.arithmetic):
            loaded = cast("LoadsModel", processor).load_model()
            if loaded:
                return None
            reason = processor.failure_reason if offers(processor, ExplainsFailure) else None
            return shown(reason) if reason else f"load_model returned {shown(loaded)}"
    except BaseException as error:  # a strategy may raise anything
        if is_interrupt(error):
            raise
        return f"loading the model failed: {_reason(error)}"


def _reason(error: BaseException) -> str:
    return shown(error) if issubclass(type(error), ValueError) else described(error)
