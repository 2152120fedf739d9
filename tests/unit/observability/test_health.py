"""What ``/health`` says, and what of it a supervisor sees."""

import json
import urllib.request
from urllib.error import HTTPError

import pytest
from prometheus_client import CollectorRegistry

from algo_panda.observability.health import SILENCE_SECONDS, Health, HealthBoard, Reason, Status
from algo_panda.observability.replaced import ReplacedGauge
from algo_panda.observability.server import serve_metrics

STALLED = Health(
    status=Status.STALLED,
    reasons=(
        Reason(reason="it hangs", topic="ticks", partition=3, lag=20, seconds=91.2),
        Reason(reason="nobody knows why"),
    ),
)


def asked(health: Health) -> tuple[int, dict[str, object]]:
    with serve_metrics(CollectorRegistry(), "127.0.0.1", None, lambda: health) as port:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)


def test_all_well_is_200() -> None:
    assert asked(Health(status=Status.OK)) == (200, {"status": "ok", "reasons": []})


def test_a_stall_is_503_with_a_reason_for_each_partition() -> None:
    assert asked(STALLED) == (
        503,
        {
            "status": "stalled",
            "reasons": [
                {
                    "reason": "it hangs",
                    "topic": "ticks",
                    "partition": 3,
                    "lag": 20,
                    "seconds": 91.2,
                },
                {"reason": "nobody knows why"},
            ],
        },
    )


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.OK])
def test_whatever_is_not_well_is_503(status: Status) -> None:
    assert asked(Health(status=status)) == (503, {"status": status, "reasons": []})


def test_metrics_stay_beside_it() -> None:
    registry = CollectorRegistry()
    lag = ReplacedGauge("panda_lag", "A test.", ["topic"])
    registry.register(lag)
    lag.replace({("ticks",): 7.0})
    with (
        serve_metrics(registry, "127.0.0.1", None, lambda: STALLED) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
    ):
        assert b'panda_lag{topic="ticks"} 7.0' in answer.read()


def test_nothing_said_yet_is_starting_however_long_it_takes() -> None:
    now = [0.0]
    board = HealthBoard(lambda: now[0])
    now[0] = 10 * SILENCE_SECONDS
    assert board.read().status is Status.STARTING


def test_the_last_word_counts_until_it_is_old() -> None:
    now = [0.0]
    board = HealthBoard(lambda: now[0])
    board.write(Health(status=Status.OK))
    now[0] = SILENCE_SECONDS
    assert board.read().status is Status.OK
    now[0] += 1
    assert board.read().status is Status.SILENT


def test_labels_that_are_not_named_again_are_gone() -> None:
    registry = CollectorRegistry()
    lag = ReplacedGauge("panda_lag", "A test.", ["topic", "partition"])
    registry.register(lag)
    lag.replace({("ticks", "0"): 7.0, ("ticks", "1"): 0.0})
    lag.replace({("ticks", "1"): 3.0})
    (family,) = registry.collect()
    assert [(s.labels, s.value) for s in family.samples] == [
        ({"topic": "ticks", "partition": "1"}, 3.0)
    ]


def board_with(health: Health, *troubles: str | None) -> HealthBoard:
    board = HealthBoard(lambda: 0.0)
    board.write(health)
    for trouble in troubles:
        board.watch(lambda trouble=trouble: trouble)  # type: ignore[misc]
    return board


def test_a_part_that_does_not_work_is_a_reason_although_the_worker_goes_on() -> None:
    board = board_with(Health(status=Status.OK), None, "control cannot be read", "no group")
    assert board.read() == Health(
        status=Status.DEGRADED,
        reasons=(Reason(reason="control cannot be read"), Reason(reason="no group")),
    )


def test_parts_that_work_change_nothing() -> None:
    assert board_with(STALLED, None, None).read() is STALLED


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.OK])
def test_a_graver_status_stays_and_gets_the_reason(status: Status) -> None:
    own = Reason(reason="its own")
    found = board_with(Health(status=status, reasons=(own,)), "a thread fails").read()
    assert found.reasons == (Reason(reason="a thread fails"), own)
    assert found.status is (Status.DEGRADED if status is Status.STARTING else status)


def test_a_trouble_is_seen_also_if_the_watchdog_does_not_look() -> None:
    now = [0.0]
    board = HealthBoard(lambda: now[0])
    board.write(Health(status=Status.OK))
    board.watch(lambda: "the watchdog thread fails")
    now[0] = SILENCE_SECONDS + 1
    assert board.read().status is Status.SILENT
    assert board.read().reasons[0].reason == "the watchdog thread fails"
