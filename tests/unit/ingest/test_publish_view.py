from io import StringIO

from rich.console import Console

from algo_panda.cli.publish_view import BadRowNotices, progress_view, summary
from algo_panda.ingest.outcome import Counts
from algo_panda.ingest.source import BadRow, Origin


def console(*, terminal: bool) -> Console:
    return Console(file=StringIO(), force_terminal=terminal, width=120, soft_wrap=True)


def printed(where: Console) -> str:
    assert isinstance(where.file, StringIO)
    return where.file.getvalue()


def test_a_terminal_shows_a_bar_with_count_and_rate() -> None:
    where = console(terminal=True)
    with progress_view(where, lambda counts: counts.sent / 10_000) as show:
        show(Counts(sent=5_000, acknowledged=4_000, seconds=2.0))
    assert "4,000 ticks, 2,000 a second" in printed(where)
    assert "━" in printed(where)


def test_elsewhere_there_is_a_plain_line_every_five_seconds() -> None:
    where = console(terminal=False)
    with progress_view(where, lambda _: 0.0) as show:
        for tenths in range(121):
            show(Counts(acknowledged=tenths * 100, rejected=3, seconds=tenths / 10))
    assert printed(where) == (
        "5,000 ticks, 1,000 a second, 3 bad rows\n10,000 ticks, 1,000 a second, 3 bad rows\n"
    )


def test_the_first_ten_bad_rows_are_shown() -> None:
    where = console(terminal=False)
    notices = BadRowNotices(where)
    origin = Origin(file="ticks.csv", unit="line")
    for number in range(2, 30):
        notices.show(BadRow(where=origin.at(number), reason="last_price is absent", raw=""))
    lines = printed(where).splitlines()
    assert lines[0] == "bad row: ticks.csv, line 2: last_price is absent"
    assert lines[9] == "bad row: ticks.csv, line 11: last_price is absent"
    assert lines[10:] == ["more bad rows: see the rejects file"]


def test_the_summary_tells_what_became_of_every_tick() -> None:
    counts = Counts(sent=10, acknowledged=7, failed=2, rejected=3, seconds=3.5)
    assert summary("ticks", "interrupted", counts, "bad.csv") == (
        "interrupted: 7 ticks acknowledged on ticks in 3.5 s (2 a second); 2 failed; "
        "1 sent and not yet answered for; 3 bad rows in bad.csv"
    )
    assert summary("ticks", "complete", Counts(sent=4, acknowledged=4), None) == (
        "complete: 4 ticks acknowledged on ticks in 0.0 s (0 a second)"
    )
