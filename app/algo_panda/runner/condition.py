"""How one strategy fares on one instrument: failures in a row, quarantine, too little past."""

import logging

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.runner.explain import described
from algo_panda.runner.ports import RunnerTelemetry, StatusSink

logger = logging.getLogger(__name__)

STILL_COLD = "it was rebuilt from fewer ticks than it needs, and goes on from there"


class Condition:
    """Counts, and tells those who listen."""

    __slots__ = (
        "_config",
        "_quarantine_after",
        "_status",
        "_telemetry",
        "_token",
        "cold_since",
        "failures",
        "quarantine_reason",
        "snapshot_problem",
    )

    def __init__(
        self,
        config: StrategyConfig,
        token: int,
        *,
        quarantine_after: int,
        telemetry: RunnerTelemetry,
        status: StatusSink,
    ) -> None:
        """Begin in good health; see ``SlotEnvironment`` for the arguments."""
        self._config = config
        self._token = token
        self._quarantine_after = quarantine_after
        self._telemetry = telemetry
        self._status = status
        self.failures = 0
        """In a row, up to now."""
        self.quarantine_reason: str | None = None
        self.cold_since: int | None = None
        """Ticks seen when it was rebuilt from fewer than it needs; None: it was not."""
        self.snapshot_problem: str | None = None
        """Why the last checkpoint holds no snapshot of it; None: it does, or needs none."""

    def failed(self, error: BaseException, where: str) -> None:
        """It raised on a tick."""
        self.failures += 1
        self._telemetry.strategy_failed(self._config.strategy_type)
        if self.failures == 1:
            self._log(error, where)
        if self.failures >= self._quarantine_after:
            self.quarantine(
                f"{self.failures} failures in a row, the last at {where}: {described(error)}"
            )

    def _log(self, error: BaseException, where: str) -> None:
        text = "strategy %s failed at %s; further failures in a row are only counted"
        try:
            logger.error(text, self._config.id, where, exc_info=error)
        except BaseException as second:  # to write a traceback reads attributes of the error
            if is_interrupt(second):
                raise
            logger.error(f"{text}: %s", self._config.id, where, described(error))  # noqa: TRY400 - it is this that failed

    def recovered(self) -> None:
        """It took a tick after failures."""
        logger.info(
            "strategy %s on %d works again after %d failures",
            self._config.id,
            self._token,
            self.failures,
        )
        self.failures = 0

    def quarantine(self, reason: str) -> None:
        """It takes no ticks of the instrument any more."""
        self.quarantine_reason = reason
        logger.error("strategy %s quarantined: %s", self._config.id, reason)
        self._report(StrategyState.QUARANTINED, reason)

    def snapshot_failed(self, error: BaseException) -> None:
        """It has no snapshot in this checkpoint. It goes on: signals depend on ticks alone."""
        self._telemetry.snapshot_failed(self._config.strategy_type)
        is_new = self.snapshot_problem is None
        self.snapshot_problem = problem = f"snapshot failed: {described(error)}"
        if not is_new:
            return
        logger.warning(
            "strategy %s on %d: %s; it goes on, and after a restart it is rebuilt from ticks."
            " Further failures are only counted, in panda_snapshot_failures_total",
            self._config.id,
            self._token,
            problem,
        )
        if self.cold_since is None:
            self._report(StrategyState.REGISTERED, f"{problem}; a restart rebuilds it from ticks")

    def snapshot_works(self) -> None:
        """It has a snapshot again, after checkpoints without one."""
        self.snapshot_problem = None
        logger.warning("strategy %s on %d: snapshot works again", self._config.id, self._token)
        if self.cold_since is None:
            self._report(StrategyState.REGISTERED, None)

    def is_cold(self, seen: int, reason: str) -> None:
        """It begins, after ``seen`` ticks, with a state that is not the one it had."""
        self.cold_since = seen
        self._telemetry.strategy_cold(self._config.strategy_type)
        self._report(StrategyState.COLD, reason)

    def stays_cold(self) -> None:
        """It was cold when its state was recorded."""
        self._report(StrategyState.COLD, STILL_COLD)

    def is_warm(self) -> None:
        """It was cold, and has the state that it would have had."""
        self.cold_since = None
        self._report(StrategyState.REGISTERED, None)

    def _report(self, state: StrategyState, reason: str | None) -> None:
        self._status.report(
            StrategyStatus(
                strategy_id=self._config.id,
                strategy_version=self._config.version,
                state=state,
                reason=reason,
                instrument_token=self._token,
            )
        )
