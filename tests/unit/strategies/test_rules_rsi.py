"""``rules_rsi``: when it speaks, and what it says."""

import csv
import gzip
from decimal import Decimal
from fractions import Fraction

import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult, SignalType
from algo_panda.strategies import rules_rsi


def say(processor, ticks) -> list[SignalType | None]:
    signals = [processor.process_tick(tick, ()) for tick in ticks]
    return [None if signal is None else signal.signal_type for signal in signals]


B, S = SignalType.BUY, SignalType.SELL


def test_it_signals_on_every_tick_beyond_a_threshold(make, ticks):
    processor = make(rules_rsi, period=2)
    assert say(processor, ticks(10, 9, 8, 7, 8, 9, 8)) == [None, None, B, B, None, S, None]


def test_with_cross_it_signals_only_on_entering(make, ticks):
    processor = make(rules_rsi, period=2, trigger="cross")
    path = ticks(10, 9, 8, 7, 8, 7, 6, 5, 6, 9)
    assert say(processor, path) == [None, None, B, None, None, None, B, None, None, S]


def test_with_cross_a_jump_from_one_side_to_the_other_enters_it(make, ticks):
    processor = make(rules_rsi, period=1, trigger="cross")
    assert say(processor, ticks(10, 9, 12, 13, 5)) == [None, B, S, None, B]


def test_a_signal_says_why_and_at_what_price(make, ticks):
    processor = make(rules_rsi, period=3, lower=30.5, confidence=0.9, quantity=7)
    (*_, signal) = [processor.process_tick(tick, ()) for tick in ticks(1000, 1003, 996, 996)]
    assert signal == SignalResult(
        signal_type=B,
        confidence=0.9,
        quantity=7,
        price=Decimal("9.96"),
        reasoning="RSI 30.00 below 30.5",
    )


def test_an_rsi_on_the_threshold_is_no_signal(make, ticks):
    assert say(make(rules_rsi, period=3), ticks(1000, 1003, 996, 996)) == [None] * 4
    assert say(make(rules_rsi, period=3), ticks(1000, 997, 1004, 1004)) == [None] * 4


def test_defaults_are_the_documented_ones(make, ticks):
    processor = make(rules_rsi)
    (*silent, signal) = [processor.process_tick(tick, ()) for tick in ticks(*range(100, 115))]
    assert silent == [None] * 14
    assert signal is not None
    assert (signal.signal_type, signal.confidence, signal.quantity) == (S, 0.7, 1)
    assert signal.reasoning == "RSI 100.00 above 70"


def test_a_market_that_stands_still_is_neutral_unless_told_otherwise(make, ticks):
    still = ticks(5, 5, 5, 5)
    assert say(make(rules_rsi, period=2), still) == [None] * 4
    assert say(make(rules_rsi, period=2, flat_rsi=100), still) == [None, None, S, S]


def test_it_wants_no_history(make):
    assert make(rules_rsi).history_size == 0


@pytest.mark.parametrize("flat_rsi", [50, 100])
def test_on_real_trades_it_equals_a_naive_recomputation(make, ibm_trades, flat_rsi):
    prices: list[Decimal] = []
    processor = make(rules_rsi, period=14, lower=30, upper=70, flat_rsi=flat_rsi)
    signals = 0
    with gzip.open(ibm_trades, "rt", newline="") as file:
        for index, row in enumerate(csv.DictReader(file)):
            price = Decimal(row["last_price"])
            prices.append(price)
            tick = MarketTick(1001, index, int(price * 10**8))
            given = processor.process_tick(tick, ())
            assert (None if given is None else given.signal_type) == naive(prices, flat_rsi), index
            signals += given is not None
    assert index == 24_292
    assert signals > 1000


def naive(prices: list[Decimal], flat_rsi: int) -> SignalType | None:
    """By the formula in the books: average gain, average loss, RS."""
    if len(prices) < 15:
        return None
    window = prices[-15:]
    changes = [Fraction(window[i + 1]) - Fraction(window[i]) for i in range(14)]
    average_gain = sum(max(change, Fraction(0)) for change in changes) / 14
    average_loss = sum(max(-change, Fraction(0)) for change in changes) / 14
    if average_gain == average_loss == 0:
        rsi = Fraction(flat_rsi)
    elif average_loss == 0:
        rsi = Fraction(100)
    else:
        rsi = 100 - 100 / (1 + average_gain / average_loss)
    return B if rsi < 30 else S if rsi > 70 else None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"period": 0}, "parameter period is 0: input should be greater than or equal to 1"),
        ({"period": 14.5}, "parameter period is 14.5: input should be a valid integer"),
        ({"period": "14"}, "parameter period is '14': input should be a valid integer"),
        ({"period": 10_001}, "parameter period is 10001: "),
        ({"lower": 71}, "parameter lower is 71, above upper, 70"),
        ({"upper": 101}, "parameter upper is 101: "),
        ({"lower": "NaN"}, "parameter lower is 'NaN': "),
        ({"confidence": 1.5}, "parameter confidence is 1.5: "),
        ({"confidence": float("nan")}, "parameter confidence is nan: "),
        ({"quantity": 0}, "parameter quantity is 0: "),
        ({"trigger": "edge"}, "parameter trigger is 'edge': input should be 'level' or 'cross'"),
        (
            {"perod": 3},
            "unknown parameter 'perod'; known: confidence, flat_rsi, lower, period, ",
        ),
    ],
)
def test_a_bad_parameter_is_refused_in_one_line_that_names_it(make, parameters, message):
    with pytest.raises(ValueError, match="parameter") as caught:
        make(rules_rsi, **parameters)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_parameters_of_runner_and_validator_are_not_its_own(make):
    assert make(rules_rsi, bar_seconds=5, validation={"max_price_deviation": 0.1})
