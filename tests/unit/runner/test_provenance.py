"""A signal says where it came from, and is the same whenever it is made again."""

import hashlib
from decimal import Decimal
from fractions import Fraction

import pytest

from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.domain.trading import Rejection, RejectionCode, Stage
from tests.unit.fakes.observers import RecordingTracer
from tests.unit.fakes.processors import Answering, RaisingBelow, Talker
from tests.unit.fakes.rig import start
from tests.unit.fakes.validators import REFUSAL, Answers
from tests.unit.fakes.values import OTHER_TOKEN, START, TOKEN, buy, config, tick

STRATEGY_ID = "00000000-0000-0000-0000-000000000001"


class Digested(Answering):
    model_digest = "d1" * 32


class DigestedAnew(Answering):
    model_digest = "d2" * 32


def blake(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def test_a_signal_carries_what_the_strategy_said_and_where_it_came_from():
    said = buy(
        signal_type="SELL", confidence=70, quantity=3, price=Decimal("99.5"), reasoning="too dear"
    )
    rig = start(
        config("digested", version=4, active_brokers=("paper", "zerodha")),
        processors={"digested": lambda: Digested(said)},
        topic_id="topic-x",
        partition=5,
    )
    ((signal,),) = rig.feed(tick("100.25", seconds=1.5), first_offset=41)
    assert signal == TradingSignal.of(
        signal_id=blake(f"{STRATEGY_ID}|{TOKEN}|topic-x|5|41"),
        strategy_id=STRATEGY_ID,
        strategy_type="digested",
        strategy_version=4,
        model_digest="d1" * 32,
        instrument_token=TOKEN,
        signal_type=SignalType.SELL,
        confidence=0.7,
        quantity=3,
        price=Decimal("99.5"),
        reasoning="too dear",
        event_time=START.replace(second=1, microsecond=500_000),
        tick_price=Decimal("100.25"),
        brokers=("paper", "zerodha"),
        tick_topic_id="topic-x",
        tick_partition=5,
        tick_offset=41,
    )
    assert rig.telemetry.of("signal_emitted") == [signal]


def test_a_refused_signal_becomes_a_rejection_with_an_id_of_its_own():
    rig = start(
        config(version=4),
        processors={"talker": Talker},
        validators={"standard": Answers(REFUSAL)},
    )
    ((rejection,),) = rig.feed(tick(seconds=2), first_offset=9)
    signal_id = blake(f"{STRATEGY_ID}|{TOKEN}|topic-a|3|9")
    assert rejection == Rejection(
        rejection_id=blake(f"runner|{signal_id}|"),
        stage=Stage.RUNNER,
        code=RejectionCode.CONFIDENCE_TOO_LOW,
        reason="never sure enough",
        signal_id=signal_id,
        strategy_id=STRATEGY_ID,
        strategy_type="talker",
        instrument_token=TOKEN,
        account=None,
        broker=None,
        event_time=START.replace(second=2),
        tick_partition=3,
        tick_offset=9,
    )
    assert rig.telemetry.of("signal_refused") == [rejection]
    assert rig.telemetry.of("signal_emitted") == []
    assert rig.telemetry.of("strategy_failed") == []


def test_instruments_of_one_strategy_are_told_apart_in_what_it_says():
    made = iter([Digested(buy()), DigestedAnew(buy(), buy())])  # the model's file changed between
    judge = Answers()
    rig = start(
        config("digested", instruments=(TOKEN, OTHER_TOKEN)),
        processors={"digested": lambda: next(made)},
        validators={"standard": judge},
    )
    (one,), (other,) = rig.feed(tick(), tick(token=OTHER_TOKEN))
    judge.answer = REFUSAL
    ((refused,),) = rig.feed(tick(token=OTHER_TOKEN), first_offset=43)
    assert (one.instrument_token, one.model_digest) == (TOKEN, "d1" * 32)
    assert (other.instrument_token, other.model_digest) == (OTHER_TOKEN, "d2" * 32)
    assert refused.instrument_token == OTHER_TOKEN
    assert refused.signal_id == blake(f"{STRATEGY_ID}|{OTHER_TOKEN}|topic-a|3|43")


def test_a_refusal_is_no_failure_and_ends_a_burst_of_them():
    answers = [RuntimeError("first"), buy(), RuntimeError("second"), buy()]
    rig = start(
        config("answering"),
        processors={"answering": lambda: Answering(*answers)},
        validators={"standard": Answers(REFUSAL)},
        quarantine_after=2,
    )
    assert [len(said) for said in rig.feed(*[tick()] * 4)] == [0, 1, 0, 1]


@pytest.mark.parametrize("price", [100, 100.5, "100.5", True, Fraction(201, 2)], ids=repr)
def test_a_price_that_is_no_decimal_is_rejected_even_if_a_validator_lets_it_pass(price: object):
    rig = start(
        config("answering"),
        processors={"answering": lambda: Answering(buy(price=price))},
        validators={"standard": Answers()},
    )
    ((rejection,),) = rig.feed(tick())
    assert (rejection.code, rejection.reason) == (
        RejectionCode.INVALID_PRICE,
        f"price {price!r} is no Decimal",
    )


def test_a_hold_is_published_like_the_others():
    rig = start(config("hold"), processors={"hold": lambda: Answering(buy(signal_type="HOLD"))})
    ((signal,),) = rig.feed(tick())
    assert signal.signal_type is SignalType.HOLD


def test_the_same_ticks_give_the_same_signals_again():
    def life():
        rig = start(
            config("talker", number=1, instruments=(TOKEN, OTHER_TOKEN)),
            config("talker", number=2),
            processors={"talker": Talker},
        )
        return rig.feed(tick(1), tick(2, token=OTHER_TOKEN), tick(3), tick(4), first_offset=100)

    first = life()
    assert life() == first
    ids = [one.signal_id for said in first for one in said]
    assert len(set(ids)) == len(ids) == 7


def test_a_span_is_opened_per_strategy_and_tick_and_sees_the_error():
    tracer = RecordingTracer()
    rig = start(
        config("fragile", number=1),
        config("talker", number=2),
        processors={"fragile": lambda: RaisingBelow(50), "talker": Talker},
        tracer=tracer,
    )
    said = rig.feed(tick(100), tick(1), first_offset=7)
    assert tracer.spans == [
        ("fragile", TOKEN, 7, None),
        ("talker", TOKEN, 7, None),
        ("fragile", TOKEN, 8, "1 is too low"),
        ("talker", TOKEN, 8, None),
    ]
    assert [len(one) for one in said] == [2, 1]


def test_a_quarantined_strategy_opens_no_span():
    tracer = RecordingTracer()
    rig = start(
        config("fragile"),
        processors={"fragile": lambda: RaisingBelow(50)},
        tracer=tracer,
        quarantine_after=1,
    )
    rig.feed(tick(1), tick(100))
    assert len(tracer.spans) == 1


def test_a_processor_without_a_model_gives_signals_without_a_digest():
    rig = start(config(), processors={"talker": Talker})
    assert rig.feed(tick())[0][0].model_digest is None
