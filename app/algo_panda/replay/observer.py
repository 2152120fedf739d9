"""What befalls strategies in a replay, beside what they say."""

from collections import Counter
from collections.abc import Sequence

from algo_panda.domain.market import Irregularity
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.runner.ports import SilentTelemetry


class Observer(SilentTelemetry):
    """Counts what the runner says beside signals, and keeps what befell strategies."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        """Ticks on which strategies raised, by strategy type."""
        self.irregular: Counter[str] = Counter()
        """Ticks out of order or repeated."""
        self._stopped: list[StrategyStatus] = []

    @property
    def stopped(self) -> Sequence[StrategyStatus]:
        """Strategies that were disabled, in order, then those that were stopped on an instrument.

        These by strategy and instrument: which one was first is lost where ticks are processed in
        batches, and in several processes.
        """
        return sorted(self._stopped, key=_place)

    def strategy_failed(self, strategy_type: str, /) -> None:
        """Count it."""
        self.failures[strategy_type] += 1

    def irregular_tick(self, kind: Irregularity, /, *, dropped: bool) -> None:  # noqa: ARG002
        """Count it."""
        self.irregular[kind.value] += 1

    def report(self, status: StrategyStatus, /) -> None:
        """Keep it, where it says that something does not run."""
        if status.state in {StrategyState.DISABLED, StrategyState.QUARANTINED}:
            self._stopped.append(status)

    def add(self, other: "Observer") -> None:
        """Take note of what ``other`` has seen."""
        self.failures += other.failures
        self.irregular += other.irregular
        self._stopped += other.stopped

    def taken(self) -> "Observer":
        """What was seen since this was called last; it is forgotten here."""
        seen = Observer()
        seen.add(self)
        self.failures.clear()
        self.irregular.clear()
        self._stopped.clear()
        return seen


def _place(status: StrategyStatus) -> tuple[str, int, str]:
    token = status.instrument_token
    return ("", 0, "") if token is None else (str(status.strategy_id), token, status.reason or "")
