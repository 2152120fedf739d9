"""A sweep for programs: one object, and a table with a row for every run."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.money import plain
from algo_panda.domain.timestamps import from_micros, iso_utc
from algo_panda.replay.grid import Grid
from algo_panda.replay.metrics import METRICS, Value
from algo_panda.replay.sweep import Failed, Finished, Part, Run, Swept
from algo_panda.replay.windows import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep was of, and what came of it.

    Nothing in it depends on how long it took, or on how many processes there were.
    """

    source: str
    ticks: int
    """As many as all windows are cut from."""
    unusable: Mapping[str, int]
    """Records that are no ticks, by code."""
    configs: Sequence[StrategyConfig]
    parameters: Mapping[str, Any]
    """Set in all runs."""
    grid: Grid
    in_sample: float | None
    """The share of a window that parameters are chosen on."""
    swept: Swept

    def as_object(self) -> Mapping[str, Any]:
        """What ``--json`` prints and ``sweep.json`` holds."""
        plan = self.swept.plan
        return {
            "source": self.source,
            "outcome": "complete" if self.swept.is_complete else "partial",
            "ticks": self.ticks,
            "unusable_records": dict(sorted(self.unusable.items())),
            "strategies": [
                {
                    "id": config.strategy_id,
                    "strategy_type": config.strategy_type,
                    "instruments": list(config.instruments),
                }
                for config in self.configs
            ],
            "parameters": dict(self.parameters),
            "sweep": {axis.name: list(axis.values) for axis in self.grid.axes},
            "rank_by": plan.rank_by,
            "in_sample": self.in_sample,
            "walk_forward": plan.window_count if plan.is_walk_forward else None,
            "runs_planned": plan.runs,
            "runs_made": len(self.swept.runs),
            "runs_failed": len(self.swept.failures),
            "windows": [
                {
                    "window": window.number,
                    "in_sample": span_object(window.in_sample),
                    "out_of_sample": span_object(window.out_of_sample),
                    **(self._chosen(window.number) if plan.is_walk_forward else {}),
                }
                for window in plan.windows
            ],
            "out_of_sample": self._totals(Part.OUT_OF_SAMPLE),
            "runs": list(self.rows()),
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """The runs: by window and part, the ranked ones first, then those that failed."""
        parts = dict.fromkeys((run.task.window, run.task.part) for run in self.swept.runs)
        for window, part in parts:
            for rank, (run, outcome) in enumerate(self.swept.ranked(part, window), start=1):
                yield _row(run, outcome, rank)
            for run, failed in self.swept.failures:
                if (run.task.window, run.task.part) == (window, part):
                    yield _row(run, failed, None)

    def write(self, folder: Path) -> None:
        """Write ``sweep.json`` and ``sweep.csv``.

        Raises:
            ConfigurationError: the folder does not take them.
        """
        try:
            text = json.dumps(self.as_object(), indent=2) + "\n"
            (folder / "sweep.json").write_text(text, encoding="utf-8")
            with (folder / "sweep.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(self._cells())
        except OSError as error:
            raise ConfigurationError(f"cannot write to {folder}: {error.strerror}") from error

    def _cells(self) -> Iterator[Sequence[object]]:
        """The rows of ``sweep.csv``, its head first."""
        swept = [axis.name for axis in self.grid.axes]
        own = ("window", "part", "from", "to", "rank", "combination")
        yield (*own, *swept, *METRICS, "ticks", "fingerprint", "problems", "error")
        for row in self.rows():
            metrics: Mapping[str, object] = row["metrics"] or dict.fromkeys(METRICS)
            fingerprint: Mapping[str, str] = row["fingerprint"] or {"whole": ""}
            yield (
                *(row[name] for name in own),
                *(cell(row["parameters"][name]) for name in swept),
                *metrics.values(),
                row["ticks"],
                fingerprint["whole"],
                "; ".join(row["problems"]),
                row["error"],
            )

    def _chosen(self, window: int) -> Mapping[str, Any]:
        (judged, *_) = self.swept.ranked(Part.OUT_OF_SAMPLE, window) or (None,)
        if judged is None:
            return {"chosen": None}
        combination = judged[0].task.combination
        return {
            "chosen": {
                "combination": combination.number,
                "parameters": dict(combination.parameters),
            }
        }

    def _totals(self, part: Part) -> Mapping[str, Any] | None:
        """Of a walk-forward: all windows together."""
        if not self.swept.plan.is_walk_forward:
            return None
        return {name: written(self.swept.total(part, name)) for name in METRICS}


def _row(run: Run, outcome: Finished | Failed, rank: int | None) -> dict[str, Any]:
    task = run.task
    row: dict[str, Any] = {
        "window": task.window if task.span is not None else None,
        "part": task.part.value,
        "from": None,
        "to": None,
        **({} if task.span is None else span_object(task.span)),
        "rank": rank,
        "combination": task.combination.number,
        "parameters": dict(task.combination.parameters),
        "metrics": None,
        "ticks": None,
        "fingerprint": None,
        "problems": [],
        "error": None,
    }
    match outcome:
        case Failed(reason=reason):
            row["error"] = reason
        case Finished():
            row["metrics"] = {name: written(outcome.metrics[name]) for name in METRICS}
            row["ticks"] = outcome.ticks
            row["problems"] = list(outcome.problems)
            row["fingerprint"] = dict(outcome.fingerprint.named)
    return row


def span_object(span: Span) -> Mapping[str, str]:
    """A span as ``--from`` and ``--to`` take it."""
    return {"from": moment(span.from_us), "to": moment(span.to_us)}


def moment(micros: int) -> str:
    """ISO 8601, UTC."""
    return iso_utc(from_micros(micros))


def written(value: Value) -> str | float | None:
    """A metric in JSON: decimals as text, so that no digit is lost."""
    return plain(value) if isinstance(value, Decimal) else value


def cell(value: object) -> str:
    """A parameter's value in a table."""
    return value if isinstance(value, str) else json.dumps(value)
