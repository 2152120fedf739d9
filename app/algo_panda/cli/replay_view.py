"""What ``panda replay`` says at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from algo_panda.cli.statistics_view import statistics_object, statistics_table
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.money import plain
from algo_panda.domain.signals import SignalType
from algo_panda.domain.timestamps import from_micros, iso_utc
from algo_panda.replay.replay import ReplayResult
from algo_panda.replay.results import NO_MONEY, Results
from algo_panda.replay.standing import Standing
from algo_panda.replay.tally import StrategyTally, Tally

if TYPE_CHECKING:
    from algo_panda.replay.observer import Observer

_SHOWN_DIGITS = 16
_SHOWN_INSTRUMENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """A run, for people and for programs."""

    source: str
    configs: Sequence[StrategyConfig]
    result: ReplayResult
    tally: Tally
    results: Results
    seen: "Observer"
    paper: Mapping[str, str]
    """How the paper venue filled orders."""
    settings: Mapping[str, str | int | None]
    """Those that decide what becomes of a tick."""

    def as_object(self) -> Mapping[str, Any]:
        """What ``--json`` prints."""
        result, tally = self.result, self.tally
        return {
            "source": self.source,
            "outcome": "complete" if result.is_complete else "partial",
            "ticks": result.ticks,
            "instruments": tally.instruments,
            "first_event_time": _time(tally.first_us),
            "last_event_time": _time(tally.last_us),
            "unusable_records": dict(sorted(tally.unusable.items())),
            "irregular_ticks": dict(sorted(self.seen.irregular.items())),
            "strategies": [self._strategy(config) for config in self.configs],
            "statistics": statistics_object(self.results),
            "instruments_without_ticks": self.silent_instruments,
            "rejections": dict(sorted(tally.rejections.items())),
            "open_orders": result.open_orders,
            "paper_venue": dict(self.paper),
            "settings": dict(self.settings),
            "stopped": [
                {
                    "strategy_id": str(status.strategy_id),
                    "instrument_token": status.instrument_token,
                    "reason": status.reason,
                }
                for status in self.seen.stopped
            ],
            "fingerprint": dict(result.fingerprint.named),
            "seconds": round(result.seconds, 3),
            "ticks_per_second": round(result.ticks_per_second),
        }

    def show(self, console: Console) -> None:
        """Print it."""
        result, tally = self.result, self.tally
        plural = "" if tally.instruments == 1 else "s"
        outcome = "complete" if result.is_complete else "PARTIAL: stopped before the end"
        console.print(
            f"{outcome}: {result.ticks:,} ticks of {tally.instruments:,} instrument{plural} from "
            f"{self.source} in {result.seconds:.1f} s ({result.ticks_per_second:,.0f} a second)",
            soft_wrap=True,
        )
        if tally.first_us is not None:
            console.print(f"event times: {_time(tally.first_us)} to {_time(tally.last_us)}")
        console.print(self._table())
        console.print(statistics_table(self.results))
        silent = self.silent_instruments
        if silent:
            named = ", ".join(map(str, silent[:_SHOWN_INSTRUMENTS]))
            more = len(silent) - _SHOWN_INSTRUMENTS
            console.print(
                f"no ticks of instruments that strategies are on: {named}"
                + (f" and {more:,} more" if more > 0 else ""),
                soft_wrap=True,
            )
        for name, counted in (
            ("rejections", tally.rejections),
            ("records that are no ticks", tally.unusable),
            ("irregular ticks", self.seen.irregular),
            ("ticks on which strategies failed", self.seen.failures),
        ):
            if counted:
                listed = ", ".join(f"{count:,} {what}" for what, count in sorted(counted.items()))
                console.print(f"{name}: {listed}", soft_wrap=True)
        if result.open_orders:
            console.print(f"open orders: {result.open_orders:,} wait for a tick that did not come")
        for status in self.seen.stopped:
            where = "" if status.instrument_token is None else f" on {status.instrument_token}"
            console.print(
                f"strategy {status.strategy_id}{where} stopped: {status.reason}",
                soft_wrap=True,
            )
        said = ", ".join(f"{name} {value}" for name, value in self.paper.items())
        console.print(f"paper fills: {said}", soft_wrap=True)
        parts = result.fingerprint
        console.print(
            f"fingerprint {parts.whole[:_SHOWN_DIGITS]} "
            f"(ticks {parts.ticks[:_SHOWN_DIGITS]}, "
            f"configuration {parts.configuration[:_SHOWN_DIGITS]}, "
            f"signals {parts.signals[:_SHOWN_DIGITS]}, "
            f"fills {parts.fills[:_SHOWN_DIGITS]})",
            soft_wrap=True,
        )

    @property
    def silent_instruments(self) -> Sequence[int]:
        """Instruments of strategies that there were no ticks of."""
        wanted = {token for config in self.configs for token in config.instruments}
        return sorted(wanted - self.tally.prices.keys())

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("strategy")
        table.add_column("type")
        for name in ("BUY", "SELL", "HOLD", "orders", "fills", "notional", "fees", "net profit"):
            table.add_column(name, justify="right")
        for config in self.configs:
            said = self.said_by(config)
            money = self._standing(config)
            table.add_row(
                config.strategy_id[:8],
                config.strategy_type,
                *(f"{said.signals[name]:,}" for name in SignalType),
                f"{said.orders:,}",
                f"{said.fills:,}",
                f"{money.money.traded:,.2f}",
                f"{money.money.fees:,.2f}",
                f"{money.net_profit:,.2f}",
            )
        return table

    def said_by(self, config: StrategyConfig) -> StrategyTally:
        """What a strategy said."""
        return self.tally.strategies.get(config.strategy_id) or StrategyTally(config.strategy_type)

    def _standing(self, config: StrategyConfig) -> Standing:
        part = self.results.strategies.get(config.strategy_id)
        return NO_MONEY if part is None else part.standing

    def _strategy(self, config: StrategyConfig) -> Mapping[str, Any]:
        said, money = self.said_by(config), self._standing(config)
        return {
            "id": config.strategy_id,
            "strategy_type": config.strategy_type,
            "version": config.version,
            "digest": config.digest,
            "parameters": dict(config.parameters),
            "instruments": list(config.instruments),
            "signals": {name.value: said.signals[name] for name in SignalType},
            "orders": said.orders,
            "fills": said.fills,
            "notional": plain(money.money.traded),
            "profit_before_fees": plain(money.gross_profit),
            "positions": {str(token): n for token, n in sorted(money.positions.items())},
        }


def _time(micros: int | None) -> str | None:
    return None if micros is None else iso_utc(from_micros(micros))
