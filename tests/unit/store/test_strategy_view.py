from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from algo_panda.cli.strategy_view import UnclearIdError, find, joined, said_lines, short_ids
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.store.repository import (
    ListedStrategies,
    ReportedStatus,
    StoredStrategy,
    UnusableRow,
)

NOW = datetime(2024, 1, 1, tzinfo=UTC)
A = UUID("aaaaaaaa-0000-0000-0000-000000000001")
B = UUID("aaaaaaaa-0000-0000-0000-000000000002")


def listed(*ids: UUID, version: int = 1, unusable: Iterable[str] = ()) -> ListedStrategies:
    return ListedStrategies(
        usable=tuple(
            StoredStrategy(
                config=StrategyConfig(
                    id=i, strategy_type="rules_rsi", instruments=(1,), version=version
                ),
                created_at=NOW,
                updated_at=NOW,
            )
            for i in ids
        ),
        unusable=tuple(
            UnusableRow(id=i, reason="bad", strategy_type=None, enabled=None, version=0)
            for i in unusable
        ),
    )


def said(
    worker: str,
    state: StrategyState = StrategyState.REGISTERED,
    *,
    reason: str | None = None,
    token: int | None = None,
    version: int = 1,
) -> ReportedStatus:
    status = StrategyStatus(
        strategy_id=A,
        strategy_version=version,
        state=state,
        reason=reason,
        instrument_token=token,
    )
    return ReportedStatus(status=status, worker=worker, updated_at=NOW)


def test_an_id_may_be_as_short_as_it_is_clear() -> None:
    rows = joined(listed(A, uuid4(), unusable=["seven"]), [])
    assert find(rows, "AAAAAAAA-0").id == str(A)
    assert find(rows, "sev").id == "seven"
    assert find(rows, str(A)).id == str(A)


@pytest.mark.parametrize(
    ("start", "reason"),
    [("aaaa", f"more than one .* 'aaaa': {A}, {B}"), ("zz", "no strategy id begins with 'zz'")],
)
def test_an_unclear_id_is_refused(start: str, reason: str) -> None:
    with pytest.raises(UnclearIdError, match=reason):
        find(joined(listed(A, B), []), start)


def test_no_id_is_not_every_id() -> None:
    with pytest.raises(UnclearIdError, match="no strategy"):
        find(joined(listed(A), []), "")


def test_shown_ids_are_long_enough_to_be_told_apart() -> None:
    assert short_ids([str(A), "bbbbbbbb-1"]) == {str(A): "aaaaaaaa", "bbbbbbbb-1": "bbbbbbbb"}
    assert len(set(short_ids([str(A), str(B)]).values())) == 2
    assert short_ids([]) == {}


@pytest.mark.parametrize(
    ("entries", "lines"),
    [
        ([], []),
        ([said("r0"), said("r1")], ["registered by r0, r1"]),
        ([said(f"r{n}") for n in range(4)], ["registered by 4 workers"]),
        (
            [said("r0"), said("r1", StrategyState.DISABLED, reason="no model")],
            ["registered by r0", "disabled by r1: no model"],
        ),
        (
            [
                said("r0", StrategyState.QUARANTINED, reason="10 failures", token=9),
                said("r1", StrategyState.QUARANTINED, reason="10 failures", token=7),
            ],
            ["quarantined on 7, 9 by r0, r1: 10 failures"],
        ),
        ([said("r0", version=3)], ["registered (version 3) by r0"]),
    ],
)
def test_what_workers_say_is_put_together(entries: list[ReportedStatus], lines: list[str]) -> None:
    (row,) = joined(listed(A), entries)
    assert said_lines(row) == lines
