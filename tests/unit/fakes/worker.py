"""A runner that checkpoints, dies, and comes back, as a worker program does."""

from collections.abc import Mapping
from typing import Any

from app.domain.config import StrategyConfig
from app.runner.state import InstrumentRecord
from tests.unit.fakes.rig import Make, Rig, start


class Worker:
    """Keeps what the runner's changelog would."""

    def __init__(
        self,
        *configs: StrategyConfig,
        processors: Mapping[str, Make],
        quarantine_after: int = 3,
        **options: Any,
    ) -> None:
        self._configs = configs
        self._processors = processors
        self._options = {"quarantine_after": quarantine_after, **options}
        self._kept = dict[int, InstrumentRecord]()
        self._kept_offset = 0
        self.rig = self._start()

    def checkpoint(self, next_offset: int) -> None:
        for record in self.rig.partition.changed_records():
            self._kept[record.instrument_token] = record
        self._kept_offset = next_offset

    def crash(self) -> int:
        """Lose everything since the checkpoint; the offset to read again from."""
        self.rig = self._start()
        self.rig.partition.restore(self._kept.values())
        return self._kept_offset

    def _start(self) -> Rig:
        return start(*self._configs, processors=self._processors, **self._options)
