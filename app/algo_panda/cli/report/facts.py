"""What a run was made of, and what went wrong in it, ready for the page."""

import json
from collections.abc import Sequence
from typing import Final

from algo_panda.cli.replay_view import ReplayReport
from algo_panda.cli.report.tables import Cell, Table, count, counted, cut, named

_SHOWN_INSTRUMENTS: Final = 20


class Facts:
    """Of one run.

    Args:
        report: the run.
    """

    def __init__(self, report: ReplayReport) -> None:
        self.report = report

    @property
    def rejections(self) -> Table:
        """By reason."""
        counts = self.report.tally.rejections
        note = "" if counts else "None."
        return counted("rejections", "Rejections by reason", "reason", counts, note)

    @property
    def oddities(self) -> Sequence[Table]:
        """What else was counted, where there was any."""
        seen = self.report.seen
        kinds = (
            ("unusable", "Records that are no ticks", "reason", self.report.tally.unusable),
            ("irregular", "Irregular ticks", "kind", seen.irregular),
            ("failures", "Ticks on which strategies failed", "strategy type", seen.failures),
        )
        return [counted(*kind) for kind in kinds if kind[3]]

    @property
    def stopped(self) -> Table | None:
        """Strategies that were stopped, and why."""
        rows = [
            [
                Cell(str(status.strategy_id)),
                Cell("all" if status.instrument_token is None else str(status.instrument_token)),
                Cell(str(status.reason)),
            ]
            for status in self.report.seen.stopped
        ]
        head = ("strategy", "instrument", "reason")
        table = Table(name="stopped", caption="Strategies that stopped", head=head, rows=rows)
        return cut(table) if rows else None

    @property
    def silent(self) -> str | None:
        """Instruments without a tick."""
        tokens = self.report.silent_instruments
        return _listed(tokens) if tokens else None

    @property
    def latency(self) -> str:
        """How long orders took to the paper venue."""
        fixed = self.report.paper.get("latency_ms", "0")
        jitter = self.report.paper.get("latency_jitter_ms")
        if fixed == "0" and jitter is None:
            return "none: an order arrives at once, and the next tick fills it"
        more = "" if jitter is None else f", and up to {jitter} ms more, evenly spread"
        return f"{fixed} ms from tick to arrival of the order{more}"

    @property
    def paper(self) -> Table:
        """How orders were filled."""
        given = {
            "latency model": self.latency,
            **{name.replace("_", " "): value for name, value in self.report.paper.items()},
        }
        return named("paper", "How paper orders were filled", given)

    @property
    def configured(self) -> Table:
        """The strategies, with what they were given."""
        rows = [
            [
                Cell(config.strategy_id),
                Cell(config.strategy_type),
                count(config.version),
                Cell(json.dumps(dict(config.parameters), default=str, ensure_ascii=False)),
                Cell(_listed(config.instruments)),
                Cell(", ".join(config.brokers) or "none: signals only"),
                Cell(config.validator_type or "default"),
            ]
            for config in self.report.configs
        ]
        head = ("strategy", "type", "version", "parameters", "instruments", "brokers", "validator")
        return cut(Table(name="configured", caption="Strategies", head=head, rows=rows))

    @property
    def settings(self) -> Table:
        """What else decides."""
        return named("settings", "Settings that decide", self.report.settings)

    @property
    def fingerprint(self) -> Table:
        """All hashes."""
        return named("fingerprint", "Fingerprint", self.report.result.fingerprint.named)


def _listed(tokens: Sequence[int]) -> str:
    shown = ", ".join(map(str, tokens[:_SHOWN_INSTRUMENTS]))
    more = len(tokens) - _SHOWN_INSTRUMENTS
    return f"{shown} and {more:,} more" if more > 0 else shown
