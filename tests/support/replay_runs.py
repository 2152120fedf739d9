"""Ticks and strategies that a replay has something to say of, and the replay of them."""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from algo_panda.cli.main import app

STRATEGIES = """\
strategies:
  - id: 11111111-0000-0000-0000-000000000000
    strategy_type: rules_rsi
    instruments: [1001, 1002]
    parameters: {period: 5}
  - id: 22222222-0000-0000-0000-000000000000
    strategy_type: rules_rsi
    instruments: [1001, 1003]
    parameters: {period: 9}
  - id: 33333333-0000-0000-0000-000000000000
    strategy_type: rules_rsi
    instruments: [1003]
    active_brokers: []
"""
_START = datetime(2026, 1, 5, 3, 45, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRun:
    """What a replay left."""

    page: Path
    facts: Mapping[str, Any]
    """What it printed with --json."""

    @property
    def html(self) -> str:
        """The page."""
        return self.page.read_text()


def write_walks(folder: Path, *, days: int = 30) -> None:
    """``ticks.csv`` of 1001 and 1002, whose prices walk at random, and ``s.yaml``."""
    chance, prices = random.Random(7), {1001: 100.0, 1002: 250.0}
    lines = ["instrument_token,event_time,last_price"]
    for day in range(days):
        for minute in range(40):
            at = _START + timedelta(days=day, minutes=5 * minute)
            for token, price in prices.items():
                prices[token] = price * math.exp(chance.gauss(0, 0.002))
                lines.append(f"{token},{at:%Y-%m-%dT%H:%M:%SZ},{prices[token]:.2f}")
    (folder / "ticks.csv").write_text("\n".join(lines) + "\n")
    (folder / "s.yaml").write_text(STRATEGIES)


def replayed(page: Path, *arguments: str) -> ReplayRun:
    """``panda replay`` of that, here, with a page."""
    given = ["replay", "ticks.csv", "--strategies", "s.yaml", "--report", str(page), "--json"]
    done = CliRunner().invoke(app, [*given, *arguments])
    assert done.exit_code == 0, done.exception
    return ReplayRun(page=page, facts=json.loads(done.stdout))
