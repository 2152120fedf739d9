"""When trouble with the consumer group is shown and logged, and when it is over."""

import logging

import pytest

from algo_panda.streaming.group_trouble import GroupTrouble


class Rig:
    """The troubles of a group, on a clock of its own, looked at ten times a second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.group = GroupTrouble("panda-runner", lambda: self.now)

    def wait(self, seconds: float, *, refused: str | None = None, error: str | None = None) -> None:
        """Let time pass, in which the same is reported again and again."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            if refused is not None:
                self.group.refused(refused)
            if error is not None:
                self.group.client_error(error)
            self.group.look()


def test_a_refusal_is_a_trouble_at_once_and_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.wait(0.1, refused="another protocol")
    assert rig.group.trouble == (
        "not a member of consumer group panda-runner for 0 s: another protocol"
    )
    rig.wait(59, refused="another protocol")
    assert len(caplog.messages) == 1
    rig.wait(2, refused="another protocol")
    assert caplog.messages == [
        "not a member of consumer group panda-runner for 0 s: another protocol; trying again",
        "not a member of consumer group panda-runner for 60 s: another protocol; trying again",
    ]


def test_it_is_over_when_nothing_was_reported_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.wait(2, refused="another protocol")
    rig.wait(4.5)
    assert rig.group.trouble is not None
    rig.wait(1)
    assert rig.group.trouble is None
    assert caplog.messages[1:] == ["consumer group panda-runner works again"]
    rig.wait(100)
    assert len(caplog.messages) == 2
    rig.wait(1, refused="another protocol")
    assert len(caplog.messages) == 3


def test_an_error_of_the_client_is_a_trouble_only_if_it_lasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.wait(2.5, error="no coordinator")
    assert rig.group.trouble is None
    rig.wait(1, error="no\n coordinator")
    assert rig.group.trouble is not None
    assert rig.group.trouble.endswith(" for 3 s: no coordinator")
    assert len(caplog.messages) == 1


def test_single_errors_of_the_client_far_apart_are_no_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    for _ in range(10):
        rig.wait(0.1, error="one connection was lost")
        rig.wait(6)
        assert rig.group.trouble is None
    assert caplog.messages == []


def test_the_reason_of_a_refusal_is_not_hidden_by_what_the_client_logs_of_it() -> None:
    rig = Rig()
    rig.wait(3, refused="another protocol", error="Attempt to join group failed")
    assert str(rig.group.trouble).endswith("another protocol")


def test_an_error_of_a_callback_that_the_client_passes_over_is_a_trouble_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    with rig.group.listening():
        logging.getLogger("aiokafka.consumer.group_coordinator").error(
            "User provided listener failed on partition assignment",
            exc_info=ZeroDivisionError("a defect"),
        )
    rig.group.look()
    assert str(rig.group.trouble).endswith(
        "User provided listener failed on partition assignment: ZeroDivisionError: a defect"
    )
    assert "ZeroDivisionError: a defect; trying again" in caplog.messages[-1]


def test_errors_of_the_client_are_taken_also_after_a_strategy_removed_all_handlers() -> None:
    rig = Rig()
    client = logging.getLogger("aiokafka.consumer.group_coordinator")
    with rig.group.listening():
        client.handlers.clear()
        rig.group.look()
        client.error("failed", exc_info=ZeroDivisionError("a defect"))
        assert str(rig.group.trouble).endswith("failed: ZeroDivisionError: a defect")
    rig.group.look()
    assert not client.handlers
