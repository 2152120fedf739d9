"""The HTML page of ``panda replay``: what is in it, and what is not."""

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs
from typer.testing import CliRunner

from algo_panda.bootstrap.replay import Observer
from algo_panda.cli.main import app
from algo_panda.cli.replay_view import ReplayReport
from algo_panda.cli.report.charts import bins
from algo_panda.cli.report.page import in_script, page_of
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.replay.fingerprint import Fingerprint
from algo_panda.replay.portfolio import Portfolio
from algo_panda.replay.prices import Prices
from algo_panda.replay.replay import ReplayResult
from algo_panda.replay.results import results_of
from algo_panda.replay.tally import Tally
from tests.support.replay_runs import replayed, write_walks
from tests.unit.fakes.values import TOKEN, config

EVIL = "<script>document.title = 'run'</script>"


class _Page(HTMLParser):
    """What a test asks of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.rows: dict[str, list[list[tuple[str, str | None]]]] = {}
        self.scripts: list[str] = []
        self.title = ""
        self._inside: list[str] = []
        self._table = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in given.items()]
        self._inside.append(tag)
        match tag:
            case "table":
                self._table = given["id"]
                self.rows[self._table] = []
            case "tr":
                self.rows[self._table].append([])
            case "th" | "td":
                self.rows[self._table][-1].append(("", None))
            case "data" if "tr" in self._inside:
                self.rows[self._table][-1][-1] = ("", given["value"])
            case "script":
                self.scripts.append("")
            case "link" | "meta":
                self._inside.pop()
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._inside:
            return
        if self._inside[-1] == "script":
            self.scripts[-1] += data
        elif self._inside[-1] == "title":
            self.title += data
        elif self._inside[-1] in {"th", "td", "data"} and "tr" in self._inside:
            text, value = self.rows[self._table][-1][-1]
            self.rows[self._table][-1][-1] = (text + data, value)

    def table(self, name: str) -> list[dict[str, tuple[str, str | None]]]:
        """Rows by the names in the head."""
        head, *rows = self.rows[name]
        return [dict(zip((name for name, _ in head), row, strict=True)) for row in rows]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.delenv("PANDA_DATABASE_URL", raising=False)
    write_walks(tmp_path)
    return tmp_path


def charts_of(page: _Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.scripts[0])
    return found


def chart_of(charts: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """All that are drawn."""
    return [*(charts[name] for name in ("equity", "exposure", "daily", "trade"))] + [
        one["chart"] for one in charts["prices"]
    ]


def test_the_numbers_are_those_of_the_json(folder: Path) -> None:
    run = replayed(folder / "r.html", "--capital", "5000")
    page, statistics = _Page(run.html), run.facts["statistics"]
    (first, *_) = page.table("strategies")
    mine = statistics["strategies"][first["strategy"][0]]
    assert first["net profit"][1] == mine["net_profit"]
    assert first["closed trades"][1] == str(mine["trades"])
    for name, field in (("Sharpe ratio", "sharpe_ratio"), ("win rate", "win_rate")):
        assert first[name][1] == str(mine[field])
    assert first["fees paid"] == (mine["reasons"]["fees"], None)
    by_token = {row["instrument"][0]: row for row in page.table("instruments")}
    assert by_token.keys() == statistics["instruments"].keys()
    for token, row in by_token.items():
        assert row["profit before fees"][1] == statistics["instruments"][token]["gross_profit"]
        assert row["turnover of a day"][1] == str(statistics["instruments"][token]["turnover"])


def test_charts_come_to_what_the_statistics_say(folder: Path) -> None:
    run = replayed(folder / "r.html", "--capital", "5000")
    charts, whole = charts_of(_Page(run.html)), run.facts["statistics"]["all"]
    equity, drawdown = charts["equity"]["data"]
    assert equity["y"][0] == 5000
    assert equity["y"][-1] == pytest.approx(5000 + float(whole["net_profit"]))
    assert min(drawdown["y"]) / 100 <= whole["max_drawdown"] < 0
    assert sum(sum(trace["y"]) for trace in charts["trade"]["data"]) == whole["trades"]
    assert sum(sum(trace["y"]) for trace in charts["daily"]["data"]) == 30
    marked = {one["token"]: one["chart"]["data"] for one in charts["prices"]}
    assert list(marked) == [1001, 1002, 1003]
    by_token = run.facts["statistics"]["instruments"]
    for token in (1001, 1002):
        exits = sum(len(trace["x"]) for trace in marked[token] if trace["meta"].endswith("exit"))
        assert exits == by_token[str(token)]["trades"]
    assert charts["prices"][2]["note"] == "It was not traded."


def test_charts_are_what_plotly_takes(folder: Path) -> None:
    charts = charts_of(_Page(replayed(folder / "r.html").html))
    for chart in chart_of(charts):
        assert len(go.Figure(chart).data) == len(chart["data"])


def test_what_decides_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANDA_PAPER_LATENCY_MS", "150")
    monkeypatch.setenv("PANDA_PAPER_LATENCY_JITTER_MS", "50")
    monkeypatch.setenv("PANDA_RISK_MAX_POSITION", "2")
    monkeypatch.setenv("PANDA_PAPER_FEES", "zerodha-nse-intraday-2024-10")
    run = replayed(folder / "r.html")
    page = _Page(run.html)
    paper = {row["name"][0]: row["value"][0] for row in page.table("paper")}
    assert paper["latency model"] == (
        "150 ms from tick to arrival of the order, and up to 50 ms more, evenly spread"
    )
    rejected = {row["reason"][0]: row["count"][1] for row in page.table("rejections")}
    assert rejected == {code: str(count) for code, count in run.facts["rejections"].items()}
    assert rejected.keys() == {"POSITION_EXCEEDS_MAXIMUM"}
    hashes = {row["name"][0]: row["value"][0] for row in page.table("fingerprint")}
    assert hashes == run.facts["fingerprint"]
    settings = {row["name"][0]: row["value"][0] for row in page.table("settings")}
    assert settings["risk_max_position"] == "2"
    assert "brokerage: rate 0.0003, maximum 20; stt:" in settings["fees"]
    (first, _, silent) = page.table("configured")
    assert json.loads(first["parameters"][0]) == run.facts["strategies"][0]["parameters"]
    assert silent["brokers"][0] == "none: signals only"


def test_without_latency_the_model_says_so(folder: Path) -> None:
    page = _Page(replayed(folder / "r.html").html)
    paper = {row["name"][0]: row["value"][0] for row in page.table("paper")}
    assert paper["latency model"] == "none: an order arrives at once, and the next tick fills it"


def test_where_there_are_too_few_days_or_trades_the_reason_stands_instead(folder: Path) -> None:
    run = replayed(folder / "r.html", "--to", "2026-01-05T04:30")
    page = _Page(run.html)
    charts = charts_of(page)
    assert charts["daily"] == "1 daily return; needs 20"
    assert charts["trade"].endswith("needs 30")
    row = page.table("strategies")[0]
    reasons = run.facts["statistics"]["strategies"][row["strategy"][0]]["reasons"]
    assert row["Sharpe ratio"] == (reasons["sharpe_ratio"], None)
    assert row["win rate"] == (reasons["win_rate"], None)


def test_no_ticks_at_all_are_a_page_too(folder: Path) -> None:
    page = _Page(replayed(folder / "r.html", "--to", "2026-01-01").html)
    charts = charts_of(page)
    assert (charts["equity"], charts["daily"]) == ("no ticks", "0 daily returns; needs 20")
    assert "trades" not in page.rows


def test_the_same_run_gives_the_same_page_to_the_byte(folder: Path) -> None:
    pages = [replayed(folder / name).page.read_bytes() for name in ("a.html", "b.html")]
    assert pages[0] == pages[1]


def test_an_output_folder_has_the_page_as_well(folder: Path) -> None:
    run = replayed(folder / "r.html", "--output", "out")
    assert (folder / "out" / "report.html").read_text() == run.html


def test_nothing_in_the_page_is_loaded_from_elsewhere(folder: Path) -> None:
    html = replayed(folder / "r.html").html
    page = _Page(html)
    loading = {"src", "href", "action", "data", "srcset", "poster", "background"}
    addresses = {value for _, name, value in page.attributes if name in loading}
    assert all(address.startswith("#") or address == "data:," for address in addresses)
    ours = html.replace(get_plotlyjs(), "")
    assert "http://" not in ours
    assert "https://" not in ours
    assert not re.search(r"@import|url\(", ours)
    policies = [value for tag, name, value in page.attributes if value.startswith("default-src")]
    assert policies[0].startswith("default-src 'none'; script-src 'sha256-")


def test_what_people_wrote_is_shown_and_not_run() -> None:
    observer, tally = Observer(), Tally()
    observer.report(
        StrategyStatus(
            strategy_id=UUID(int=1),
            state=StrategyState.QUARANTINED,
            instrument_token=TOKEN,
            reason=f"it said {EVIL}",
            strategy_version=1,
        )
    )
    tally.unusable[EVIL] = 1
    hashes = dict.fromkeys(("ticks", "configuration", "signals", "fills"), "0" * 64)
    report = ReplayReport(
        source=f"{EVIL}.csv",
        configs=[config(EVIL, parameters={"note": EVIL, EVIL: 1})],
        result=ReplayResult(
            is_complete=False, ticks=0, seconds=1, fingerprint=Fingerprint(**hashes), open_orders=2
        ),
        tally=tally,
        results=results_of(Portfolio()),
        seen=observer,
        paper={"fees": EVIL},
        settings={"fees": EVIL},
    )
    html = page_of(report, Prices([TOKEN]))
    page = _Page(html)
    assert EVIL not in html
    assert len(page.scripts) == 3  # data, plotly, ours
    assert page.title == f"Replay of {EVIL}.csv"
    assert "PARTIAL: stopped before the end" in html
    (row,) = page.table("configured")
    assert json.loads(row["parameters"][0]) == {"note": EVIL, EVIL: 1}
    assert page.table("stopped")[0]["reason"][0] == f"it said {EVIL}"


def test_no_text_ends_the_script_that_holds_the_charts() -> None:
    held = in_script({"note": "</script><!-- & \u2028"})
    assert not set("<>&\u2028") & set(held)
    assert json.loads(held) == {"note": "</script><!-- & \u2028"}


def test_a_page_of_many_ticks_and_trades_stays_small(folder: Path) -> None:
    small = replayed(folder / "small.html").page.stat().st_size
    write_walks(folder, days=300)
    run = replayed(folder / "large.html")
    page = _Page(run.html)
    total = run.facts["statistics"]["all"]["trades"]
    assert total > 2_000
    assert len(page.table("trades")) == 1_000
    assert f"The first 1,000 of {total:,} closed trades." in run.html
    note = charts_of(page)["prices"][0]["note"]
    assert re.search(r"closed trades, of which 1 in \d+ is marked", note)
    points = [len(one["chart"]["data"][0]["x"]) for one in charts_of(page)["prices"]]
    assert max(points) <= 2_000
    assert run.page.stat().st_size - small < 1_500_000


@pytest.mark.parametrize(
    ("name", "said"),
    [("ticks.csv", "ends with .html"), ("no/r.html", "folder that exists")],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_run(name: str, said: str) -> None:
    done = CliRunner().invoke(
        app, ["replay", "ticks.csv", "--strategies", "s.yaml", "--report", name]
    )
    assert isinstance(done.exception, ConfigurationError)
    assert said in str(done.exception)
    assert done.stdout == ""


def test_no_bin_has_both_gains_and_losses() -> None:
    counts, edges = bins([-0.02, -0.001, 0.0, 0.004, 0.01])
    assert counts.sum() == 5
    assert min(abs(edge) for edge in edges) < 1e-12
    counts, edges = bins([0.5, 0.5, 0.5])
    assert counts.sum() == 3
    assert edges[0] <= 0.5 <= edges[-1]
