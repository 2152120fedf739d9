"""The database and the code that a state comes from: recorded, compared, refused."""

import logging
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.streaming.changelog import Positions
from algo_panda.streaming.operator import Start, StateFormatError
from algo_panda.streaming.operators.origin import (
    ChangedCodeError,
    Origin,
    OriginPolicy,
    OtherDatabaseError,
)
from algo_panda.streaming.operators.versions import StrategyRow, StrategyVersions, encode_configs
from algo_panda.streaming.owned import OwnedPartition

OURS, OTHER = "11111111-aaaa", "22222222-bbbb"
OLD, NEW = "sha256:" + "0123456789ab" * 5, "sha256:" + "ba9876543210" * 5
STRATEGY = StrategyConfig(id=UUID(int=1), strategy_type="echo", instruments=(1001,))
RECORDED = b'{"database":"11111111-aaaa","code":{"processor echo":"%s"}}' % OLD.encode()


def policy(code: str = OLD, database: str = OURS) -> OriginPolicy:
    return OriginPolicy(
        database=database, code_of=lambda one: {f"processor {one.strategy_type}": code}
    )


def start(
    recorded: bytes | None = RECORDED, *, settled: bool = True, handed_over: bool = False
) -> Start:
    return Start(
        offsets={"ticks": 500}, is_settled=settled, is_handed_over=handed_over, origin=recorded
    )


def choose(policy: OriginPolicy, where: Start, *rows: StrategyConfig) -> bytes | None:
    versions = StrategyVersions(
        current=None,  # type: ignore[arg-type]
        configs=[STRATEGY],
        runner_of=lambda _: None,  # type: ignore[arg-type,return-value]
        read_rows=lambda: {one.id: StrategyRow(True, None) for one in rows},
        origin=policy,
    )
    recorded = encode_configs([STRATEGY])
    return versions.choose(recorded, where, topic="ticks", topic_id="T", partition=3).origin


def test_what_is_recorded_comes_back() -> None:
    origin = Origin(database=OURS, code={"processor echo": OLD})
    assert origin.encode() == RECORDED
    assert Origin.decode(RECORDED) == origin


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b'{"database":"x","code":[1]}', b"\xff"])
def test_an_unknown_form_is_refused(value: bytes) -> None:
    with pytest.raises(StateFormatError, match="the recorded origin of the strategies is invalid"):
        choose(policy(), start(value))


@pytest.mark.parametrize("settled", [True, False])
def test_the_same_database_and_code_go_on(settled: bool) -> None:
    assert choose(policy(), start(settled=settled)) == RECORDED


@pytest.mark.parametrize("settled", [True, False])
def test_state_of_an_earlier_version_takes_what_it_finds(settled: bool) -> None:
    assert choose(policy(), start(None, settled=settled)) == RECORDED


@pytest.mark.parametrize("settled", [True, False])
def test_another_database_is_refused(settled: bool) -> None:
    with pytest.raises(OtherDatabaseError) as caught:
        choose(policy(database=OTHER), start(settled=settled), STRATEGY)
    message = str(caught.value)
    assert message.startswith(
        f"ticks[3] runs the strategies of the database with id {OURS}, and the database of this"
        f" worker has id {OTHER}. Set PANDA_DATABASE_URL"
    )
    assert "panda recover accept-database" in message
    assert caught.value.exit_code == 3


def test_the_strategies_that_another_database_lacks_are_named() -> None:
    with pytest.raises(OtherDatabaseError) as caught:
        choose(policy(database=OTHER), start())
    assert (
        f"has id {OTHER}, and has no row of {STRATEGY.id} (echo, version 1). Set PANDA_DATABASE_URL"
    ) in str(caught.value)


@pytest.mark.parametrize(("settled", "handed_over"), [(True, False), (False, True), (True, True)])
def test_other_code_goes_on_after_a_clean_stop(
    settled: bool, handed_over: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    origin = choose(policy(NEW), start(settled=settled, handed_over=handed_over))
    assert origin == RECORDED.replace(OLD.encode(), NEW.encode())
    (message,) = caplog.messages
    assert message == (
        "ticks[3]: the code of strategies has changed since the last clean stop"
        " (processor echo: sha256:0123456789ab is now sha256:ba9876543210)"
    )


def test_other_code_is_refused_after_an_unclean_stop() -> None:
    with pytest.raises(ChangedCodeError) as caught:
        choose(policy(NEW), start(settled=False))
    assert str(caught.value) == (
        "ticks[3]: the code of strategies has changed (processor echo: sha256:0123456789ab is now"
        " sha256:ba9876543210), and the last runner did not stop cleanly: the recorded code may"
        " have sent signals of ticks from offset 500 on. Run the former release until it stops"
        " cleanly (SIGTERM), then this one; or run 'panda recover accept-code', which lists these"
        " ticks"
    )
    assert isinstance(caught.value, ConfigurationError)


def test_code_that_is_recorded_for_no_strategy_that_runs_does_not_matter() -> None:
    recorded = Origin(database=OURS, code={"processor echo": OLD, "processor gone": OLD})
    assert choose(policy(), start(recorded.encode(), settled=False)) == RECORDED


VALUE = b'{"topics":{"ticks":{"id":"T","next_offset":%d,"horizon":%d}}}'


def positions(at: int, horizon: int, *, handed_over: bool = False) -> Positions:
    return Positions(
        offsets={"ticks": at},
        horizons={"ticks": horizon},
        topic_ids={"ticks": "T"},
        origin=b"{}",
        is_handed_over=handed_over,
    )


def test_both_are_beside_the_checkpoint_and_do_not_change_its_value() -> None:
    one = positions(8, 9, handed_over=True)
    assert one.encode() == VALUE % (8, 9)
    assert one.headers() == [("origin", b"{}"), ("handed-over", b"true")]
    assert Positions.decode(VALUE % (8, 9), one.headers()) == one
    assert Positions.decode(VALUE % (8, 9), dict(one.headers() or ())) == one


def test_a_settled_checkpoint_need_not_say_that_it_was_handed_over() -> None:
    assert positions(9, 9, handed_over=True).headers() == [("origin", b"{}")]


def test_a_checkpoint_of_an_earlier_version_says_neither() -> None:
    found = Positions.decode(VALUE % (8, 9), None)
    assert (found.origin, found.is_handed_over, found.headers()) == (None, False, None)


def owned(found: Positions, *, sends_ahead: bool = True, is_outdated: bool = False):
    return OwnedPartition(
        partition=0,
        operator=None,  # type: ignore[arg-type]
        changelog=None,  # type: ignore[arg-type]
        positions=found,
        sends_ahead=sends_ahead,
        is_outdated=is_outdated,
        origin=b"mine",
    )


def test_every_checkpoint_has_the_origin_of_its_owner() -> None:
    assert owned(positions(8, 8)).next_positions(last=False).origin == b"mine"


@pytest.mark.parametrize(
    ("sends_ahead", "last", "expected"),
    [(True, False, False), (True, True, True), (False, False, True), (False, True, True)],
)
def test_the_last_checkpoint_is_handed_over_and_so_is_one_whose_outputs_are_in_it(
    sends_ahead: bool, last: bool, expected: bool
) -> None:
    partition = owned(positions(8, 900), sends_ahead=sends_ahead)
    found = partition.next_positions(last=last)
    assert (found.is_handed_over, found.is_settled) == (expected, False)


@pytest.mark.parametrize(
    ("found", "options", "expected"),
    [
        (positions(8, 900, handed_over=True), {}, True),
        (positions(8, 900, handed_over=True), {"is_outdated": True}, True),
        (positions(8, 900, handed_over=True), {"sends_ahead": False}, False),
        (positions(8, 900), {}, False),
        (positions(8, 8, handed_over=True), {}, False),
    ],
)
def test_what_says_that_nothing_was_sent_is_replaced_before_something_is(
    found: Positions, options: dict[str, bool], expected: bool
) -> None:
    """Its horizon lets ticks be processed at once, so a crash would leave it as it is."""
    partition = owned(found, **options)
    assert partition.wants_first_checkpoint is expected
    assert partition.next_positions(last=False).is_handed_over is not options.get(
        "sends_ahead", True
    )
