"""Ids are kept for their period, across any checkpoints and restarts, and then forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.recent_ids import IDS_PER_SEGMENT, IdSegment, RecentIds

PERIOD = 2_400


class Changelog:
    """What checkpoints leave behind: the last record of each key."""

    def __init__(self) -> None:
        self.segments: dict[int, IdSegment] = {}
        self.written_ids = 0

    def checkpoint(self, ids: RecentIds) -> None:
        changes = ids.changes()
        for segment in changes.written:
            assert segment.number not in changes.expired
            self.segments[segment.number] = segment
            self.written_ids += len(segment.ids)
        for number in changes.expired:
            del self.segments[number]  # nothing else is deleted than what was written

    def restarted(self) -> RecentIds:
        ids = RecentIds(PERIOD)
        ids.restore(self.segments.values())
        return ids


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 40)),
        st.tuples(st.just("pass"), st.integers(1, PERIOD // 2)),
        st.tuples(st.just("checkpoint"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=80,
)


@given(steps)
def test_an_id_is_new_if_it_was_not_added_within_the_period(steps):
    ids, log, now, added = RecentIds(PERIOD), Changelog(), 0, dict[str, int]()
    for step, number in steps:
        match step:
            case "add":
                name = f"id-{number}"
                age = now - added[name] if name in added else None
                is_new = ids.add(name, now)
                if age is None or age > PERIOD + PERIOD // 24:
                    assert is_new
                elif age <= PERIOD:
                    assert not is_new
                if is_new:
                    added[name] = now
            case "pass":
                now += number
            case "checkpoint":
                log.checkpoint(ids)
            case _:
                log.checkpoint(ids)
                before, ids = ids, log.restarted()
                assert {name for name in added if name in ids} == {
                    name for name in added if name in before
                }


def test_a_checkpoint_writes_what_was_added_and_at_most_one_segment_more():
    ids, log = RecentIds(10**9), Changelog()
    for number in range(10 * IDS_PER_SEGMENT):
        ids.add(f"id-{number}", number)
        if number % 10 == 9:
            before = log.written_ids
            log.checkpoint(ids)
            assert log.written_ids - before <= 10 + IDS_PER_SEGMENT
    assert sum(len(one.ids) for one in log.segments.values()) == 10 * IDS_PER_SEGMENT
    assert len(log.segments) == 10


def test_ids_without_checkpoints_do_not_pile_up():
    ids = RecentIds(PERIOD)
    for now in range(0, 100 * PERIOD, 10):
        ids.add(f"id-{now}", now)
    assert len(ids) <= PERIOD // 10 + IDS_PER_SEGMENT + 1
    changes = ids.changes()
    assert sum(len(one.ids) for one in changes.written) == len(ids)
    assert changes.expired == ()


def test_a_clock_that_goes_back_forgets_nothing():
    ids = RecentIds(PERIOD)
    ids.add("first", 10_000)
    ids.add("second", 5_000)
    for number in range(IDS_PER_SEGMENT):
        ids.add(f"id-{number}", 5_000)
    assert not ids.add("second", 10_000 + PERIOD)
    assert not ids.add("first", 10_000 + PERIOD)


def test_the_last_id_of_a_segment_is_kept_for_the_whole_period() -> None:
    """Those before it are kept longer."""
    ids = RecentIds(24_000)
    assert ids.add("first", 0)
    assert ids.add("last", 1_000)  # a twenty-fourth later: the same segment
    assert not ids.add("last", 25_000)
    assert not ids.add("first", 25_000)
    assert ids.add("last", 25_001)
