"""A horizon holds for whoever may have sent outputs, former owners included."""

import pytest

from algo_panda.streaming.changelog import Positions
from algo_panda.streaming.operator import Output
from algo_panda.streaming.owned import OwnedPartition

TOPIC = "ticks"


def owned(
    at: int,
    horizon: int,
    *,
    sends_ahead: bool = True,
    end: int = 0,
    is_outdated: bool = False,
) -> OwnedPartition:
    return OwnedPartition(
        partition=0,
        operator=None,  # type: ignore[arg-type]
        changelog=None,  # type: ignore[arg-type]
        positions=Positions(
            offsets={TOPIC: at}, horizons={TOPIC: horizon}, topic_ids={TOPIC: "an-id"}
        ),
        sends_ahead=sends_ahead,
        ends={TOPIC: end},
        is_outdated=is_outdated,
    )


def moved(partition: OwnedPartition, at: int, *, last: bool) -> Positions:
    partition.next_offsets[TOPIC] = at
    positions = partition.next_positions(last=last)
    partition.made_durable(positions, now=0.0)
    return positions


def test_a_last_checkpoint_settles_what_its_owner_began_with_settled() -> None:
    assert moved(owned(100, 100), 150, last=True).is_settled


@pytest.mark.parametrize("sends_ahead", [True, False])
@pytest.mark.parametrize("at", [100, 600])
def test_where_a_former_owner_may_have_gone_nothing_is_settled(at: int, sends_ahead: bool) -> None:
    last = moved(owned(100, 700, sends_ahead=sends_ahead), at, last=True)
    assert last.horizons == {TOPIC: 700}
    assert not last.is_settled


def test_it_is_settled_once_the_owner_has_gone_that_far_itself() -> None:
    partition = owned(100, 700)
    assert moved(partition, 700, last=True).is_settled
    assert partition.is_settled


def test_no_checkpoint_comes_back_from_an_inherited_horizon() -> None:
    partition = owned(100, 50_000)
    assert moved(partition, 110, last=False).horizons == {TOPIC: 50_000}
    assert partition.bound(TOPIC) == 50_000
    assert moved(partition, 49_900, last=False).horizons[TOPIC] > 50_000


def test_an_outdated_one_keeps_the_horizon_that_it_is_to_reach() -> None:
    partition = owned(100, 700, is_outdated=True)
    assert moved(partition, 300, last=False).horizons == {TOPIC: 700}
    assert moved(partition, 700, last=True).is_settled


def test_records_that_wait_want_a_horizon_behind_the_last_of_them() -> None:
    partition = owned(100, 100, end=90_000)
    assert partition.wants_horizon
    assert moved(partition, 100, last=False).horizons == {TOPIC: 90_000}
    assert not partition.wants_horizon
    assert moved(partition, 90_000, last=False).horizons[TOPIC] > 90_000


@pytest.mark.parametrize(
    "partition",
    [
        owned(100, 100, end=100),
        owned(100, 2_000, end=1_500),
        owned(100, 100, end=90_000, sends_ahead=False),
        owned(100, 700, end=90_000, is_outdated=True),
    ],
    ids=["nothing waits", "it has one already", "nothing leaves ahead", "it is to be made anew"],
)
def test_others_want_none(partition: OwnedPartition) -> None:
    assert not partition.wants_horizon


def test_a_clean_stop_settles_it_although_records_wait() -> None:
    partition = owned(100, 100, end=90_000)
    assert moved(partition, 150, last=True).is_settled


def test_what_causes_no_output_is_made_durable_now_and_then() -> None:
    partition = owned(100, 100, sends_ahead=False)
    assert not partition.wants_checkpoint(10.0)
    partition.next_offsets[TOPIC] = 150
    assert partition.wants_checkpoint(10.0)
    partition.made_durable(partition.next_positions(last=False), now=10.0)
    partition.next_offsets[TOPIC] = 200
    assert not partition.wants_checkpoint(10.9)
    assert partition.wants_checkpoint(11.0)
    partition.outputs.append(Output("executions", b"1", b"filled"))
    assert partition.wants_checkpoint(10.9)


def test_where_outputs_leave_at_once_every_checkpoint_is_worth_it() -> None:
    partition = owned(100, 100)
    moved(partition, 150, last=False)
    assert not partition.wants_checkpoint(0.0)
    partition.next_offsets[TOPIC] = 151
    assert partition.wants_checkpoint(0.0)


def test_while_a_checkpoint_is_written_nothing_goes_beyond_its_horizon() -> None:
    """Who reads it back takes records behind that horizon for ones that nobody has answered."""
    partition = owned(100, 100)
    moved(partition, 10_000, last=False)
    before = partition.bound(TOPIC)
    assert before == 10_000 + 4 * 9_900
    partition.next_offsets[TOPIC] = 10_050
    under_way = partition.next_positions(last=False)
    assert under_way.horizons == {TOPIC: 11_050}
    assert partition.bound(TOPIC) == 11_050
    partition.made_durable(under_way, now=0.0)
    assert partition.bound(TOPIC) == 11_050


def test_a_checkpoint_is_settled_if_every_topic_is() -> None:
    ids = {"signals": "an-id", "executions": "another-id"}

    def settled(signals: int, executions: int) -> bool:
        return Positions(
            offsets={"signals": 10, "executions": 20},
            horizons={"signals": signals, "executions": executions},
            topic_ids=ids,
        ).is_settled

    assert settled(10, 20)
    assert not settled(11, 20)
    assert not settled(10, 21)
    assert not settled(11, 21)
