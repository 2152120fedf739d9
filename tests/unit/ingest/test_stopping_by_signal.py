import signal

import pytest

from algo_panda.cli.stopping import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_and_is_remembered(number: signal.Signals) -> None:
    stops: list[str] = []
    with stop_on_signals(lambda: stops.append("stop")) as received:
        assert received == []
        signal.raise_signal(number)
        assert received == [number]
    assert stops == ["stop"]


def test_a_second_ctrl_c_does_not_wait() -> None:
    stops: list[str] = []
    with stop_on_signals(lambda: stops.append("stop")):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stops == ["stop"]


def test_handlers_are_as_before_when_the_run_is_over() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_on_signals(lambda: None):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
