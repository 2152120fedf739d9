"""Signals become orders or refusals, once each, one per broker."""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from algo_panda.domain.ids import client_order_id
from algo_panda.domain.signals import SignalType
from algo_panda.domain.time_to_live import TimeToLive
from algo_panda.domain.trading import (
    Order,
    OrderStatus,
    Rejection,
    RejectionCode,
    Side,
    Stage,
    TradingState,
    Violation,
)
from algo_panda.risk.checks import RiskCheck, RiskInput, RiskLimits, StrategyLimit, UnknownLimit
from algo_panda.risk.engine import RiskChanges, RiskEngine, Verdict
from tests.unit.fakes.values import OTHER_TOKEN, SIGNAL, TOKEN, report, signal

LIMITS = RiskLimits(max_quantity=1000, max_notional=Decimal(10**6), max_position=25)
ACCOUNTS = {"paper": "PAPER1", "zerodha": "AB1234"}


def engine(
    states: dict[str, TradingState] | None = None,
    checks: tuple[RiskCheck, ...] | None = None,
    strategy_limit: Callable[[str, int], StrategyLimit] = lambda _id, _version: None,
    limits: RiskLimits = LIMITS,
) -> RiskEngine:
    states = states if states is not None else {}
    options: dict[str, Any] = {} if checks is None else {"checks": checks}
    return RiskEngine(
        limits=limits,
        account_for=lambda broker: ACCOUNTS.get(broker, broker),
        trading_state=lambda account: states.get(account, TradingState.ACTIVE),
        strategy_limit=strategy_limit,
        **options,
    )


def orders(verdicts: Any) -> list[Order]:
    return [one for one in verdicts if isinstance(one, Order)]


def codes(verdicts: Any) -> list[RejectionCode]:
    return [one.code for one in verdicts if isinstance(one, Rejection)]


def test_an_approved_signal_becomes_an_order_that_says_where_it_came_from():
    (verdict,) = engine().on_signal(signal(signal_type=SignalType.SELL))
    assert verdict == (
        Order.of(
            client_order_id=client_order_id(SIGNAL.signal_id, "PAPER1"),
            signal_id=SIGNAL.signal_id,
            account="PAPER1",
            broker="paper",
            strategy_id=SIGNAL.strategy_id,
            strategy_type="talker",
            instrument_token=TOKEN,
            side=Side.SELL,
            quantity=10,
            signal_price=Decimal("100.50"),
            reference_price=Decimal("100.25"),
            event_time=SIGNAL.event_time,
            tick_topic_id="topic-a",
            tick_partition=2,
            tick_offset=7,
        )
    )


def test_a_refused_signal_becomes_a_rejection_with_stage_code_and_account():
    (verdict,) = engine().on_signal(signal(quantity=26))
    named = f"risk|{SIGNAL.signal_id}|PAPER1"
    assert verdict == (
        Rejection(
            rejection_id=hashlib.blake2b(named.encode(), digest_size=16).hexdigest(),
            stage=Stage.RISK,
            code=RejectionCode.POSITION_EXCEEDS_MAXIMUM,
            reason="position would become 26 (held 0), beyond the maximum of 25",
            signal_id=SIGNAL.signal_id,
            strategy_id=SIGNAL.strategy_id,
            strategy_type="talker",
            instrument_token=TOKEN,
            account="PAPER1",
            broker="paper",
            event_time=SIGNAL.event_time,
            tick_partition=2,
            tick_offset=7,
        )
    )


def test_every_broker_gets_an_order_of_its_own_on_its_own_account():
    made = orders(engine().on_signal(signal(brokers=("zerodha", "paper", "other"))))
    assert [(one.broker, one.account) for one in made] == [
        ("zerodha", "AB1234"),
        ("paper", "PAPER1"),
        ("other", "other"),
    ]
    assert len({one.client_order_id for one in made}) == 3


@pytest.mark.parametrize("quantity", [10, 26], ids=["approved", "rejected"])
def test_a_broker_that_is_named_twice_gets_one_verdict_in_the_order_of_its_first_name(
    quantity: int,
):
    given = signal(brokers=("zerodha", "paper", "zerodha", "paper", "paper"), quantity=quantity)
    verdicts = engine().on_signal(given)
    assert [one.broker for one in verdicts] == ["zerodha", "paper"]
    ids = {getattr(one, "client_order_id", None) or one.rejection_id for one in verdicts}  # type: ignore[union-attr]
    assert len(ids) == 2


def test_accounts_are_judged_each_for_itself():
    subject = engine({"AB1234": TradingState.HALTED})
    verdicts = subject.on_signal(signal(brokers=("zerodha", "paper")))
    assert codes(verdicts) == [RejectionCode.TRADING_HALTED]
    assert [one.broker for one in orders(verdicts)] == ["paper"]


def test_a_signal_for_no_broker_is_no_order():
    assert list(engine().on_signal(signal(brokers=()))) == []


def test_a_hold_is_never_an_order_and_never_a_refusal():
    subject = engine({"PAPER1": TradingState.HALTED})
    assert list(subject.on_signal(signal(signal_type=SignalType.HOLD, quantity=0))) == []


def test_a_signal_that_comes_again_gets_no_second_verdict():
    subject = engine()
    assert len(orders(subject.on_signal(signal(quantity=1)))) == 1
    assert list(subject.on_signal(signal(quantity=1))) == []
    assert len(orders(subject.on_signal(signal(quantity=1, tick_offset=8)))) == 1
    assert list(subject.on_signal(signal(quantity=1))) == []


def test_nor_does_one_that_was_rejected():
    subject = engine()
    assert codes(subject.on_signal(signal(quantity=26))) != []
    assert list(subject.on_signal(signal(quantity=26))) == []


@pytest.mark.parametrize(
    "late",
    [
        {"tick_offset": 3},
        {"tick_partition": 0, "tick_offset": 3},
        {"tick_topic_id": "topic-of-before", "tick_offset": 3},
    ],
    ids=str,
)
def test_an_older_signal_that_was_not_seen_before_is_judged(late):
    """A replayed dead letter, a second partition, a topic that was recreated: another signal."""
    subject = engine()
    subject.on_signal(signal(quantity=1, tick_offset=100))
    assert len(orders(subject.on_signal(signal(quantity=1, **late)))) == 1
    assert list(subject.on_signal(signal(quantity=1, **late))) == []
    assert list(subject.on_signal(signal(quantity=1, tick_offset=100))) == []


def test_an_execution_is_booked_once():
    subject = engine()
    (first,) = orders(subject.on_signal(signal(quantity=10)))
    part = report(first, OrderStatus.PARTIALLY_FILLED, sequence=2, filled=4)
    rest = report(first, OrderStatus.FILLED, sequence=3, filled=6)
    for event in (part, part, rest, part, rest):
        subject.on_execution(event)
    (ledger,) = subject.changes().ledgers
    assert ledger.positions == {"PAPER1": 10}


def test_an_order_that_risk_does_not_know_is_known_from_its_report():
    """Its state was lost: the order of the signal exists, and what is left of it may be filled."""
    (sent,) = orders(engine().on_signal(signal(quantity=20)))
    subject = engine()
    accepted = report(sent, OrderStatus.PARTIALLY_FILLED, sequence=2, filled=5)
    subject.on_execution(accepted)
    assert list(subject.on_signal(signal(quantity=20))) == []
    # 5 held, 15 working, at most 25
    assert codes(subject.on_signal(signal(quantity=6, tick_offset=8))) == [
        RejectionCode.POSITION_EXCEEDS_MAXIMUM
    ]
    assert codes(subject.on_signal(signal(quantity=5, tick_offset=9))) == []
    subject.on_execution(report(sent, OrderStatus.CANCELED, sequence=3))
    assert codes(subject.on_signal(signal(quantity=15, tick_offset=10))) == []


def test_a_late_report_of_an_order_that_ended_reserves_nothing():
    subject = engine()
    (sent,) = orders(subject.on_signal(signal(quantity=25)))
    subject.on_execution(report(sent, OrderStatus.CANCELED, sequence=2))
    subject.on_execution(report(sent, OrderStatus.ACCEPTED, sequence=1))
    assert codes(subject.on_signal(signal(quantity=25, tick_offset=8))) == []


MINUTE = 60_000_000
NOW = SIGNAL.event_time_us


def test_the_reservation_of_an_order_that_is_never_reported_ends():
    """16 minutes: a minute until the router must not send it any more, 15 for its report."""
    limits = limits_of_a_minute("paper")
    subject = engine(limits=limits)
    subject.on_signal(signal(quantity=25), NOW)
    (known,) = orders(subject.on_signal(signal(quantity=25, instrument_token=OTHER_TOKEN), NOW))
    subject.on_execution(report(known, OrderStatus.ACCEPTED), NOW + 1)
    changes = subject.changes()
    restored = engine(limits=limits)
    restored.restore(
        changes.ledgers, changes.working, changes.decided.written, changes.booked.written
    )
    for one in (subject, restored):
        again = [
            codes(one.on_signal(signal(quantity=1, tick_offset=at, instrument_token=token), when))
            for at, token, when in (
                (8, TOKEN, NOW + 16 * MINUTE),
                (9, TOKEN, NOW + 16 * MINUTE + 1),
                (9, OTHER_TOKEN, NOW + 16 * MINUTE + 1),
            )
        ]
        exceeded = [RejectionCode.POSITION_EXCEEDS_MAXIMUM]
        assert again == [exceeded, [], exceeded]


def limits_of_a_minute(*past_brokers: str) -> RiskLimits:
    return limits_of(60, *past_brokers)


def limits_of(seconds: float, *past_brokers: str) -> RiskLimits:
    return RiskLimits(
        max_quantity=25,
        max_notional=Decimal(10**9),
        max_position=25,
        time_to_live=TimeToLive(seconds=seconds, past_brokers=past_brokers),
    )


@pytest.mark.parametrize("restarted", ["never", "before", "after"])
def test_an_order_whose_reservation_ended_counts_again_with_its_first_report(restarted: str):
    """Somebody sent its dead letter again: the venue works on it, and on the order that followed.

    25 may be held. The order of 25 was lost, and one of 5 took its place.
    """
    limits = limits_of_a_minute("paper")
    state: dict[str, Any] = {"ledgers": {}, "working": {}, "decided": {}, "booked": {}}

    def restart(given: RiskEngine) -> RiskEngine:
        changes = given.changes()
        state["ledgers"] |= {one.instrument_token: one for one in changes.ledgers}
        state["working"] |= {one.client_order_id: one for one in changes.working}
        for name in changes.ended:
            del state["working"][name]
        state["decided"] |= {one.number: one for one in changes.decided.written}
        state["booked"] |= {one.number: one for one in changes.booked.written}
        made = engine(limits=limits)
        made.restore(*(some.values() for some in state.values()))
        return made

    subject = engine(limits=limits)
    (lost,) = orders(subject.on_signal(signal(quantity=25), NOW))
    if restarted == "before":
        subject = restart(subject)
    later = NOW + 20 * MINUTE
    (other,) = orders(subject.on_signal(signal(quantity=5, tick_offset=8), later, later))
    if restarted == "after":
        subject = restart(subject)

    def refused(offset: int, kind: SignalType, quantity: int) -> str | None:
        one = signal(signal_type=kind, quantity=quantity, tick_offset=offset)
        (verdict,) = subject.on_signal(one, later, later)
        return verdict.reason if isinstance(verdict, Rejection) else None

    subject.on_execution(report(lost, OrderStatus.ACCEPTED), later)
    assert str(refused(9, SignalType.BUY, 1)).startswith("position would become 31 (held 0)")
    subject.on_execution(report(lost, OrderStatus.PARTIALLY_FILLED, sequence=2, filled=10), later)
    assert str(refused(10, SignalType.BUY, 1)).startswith("position would become 31 (held 10)")
    subject.on_execution(report(other, OrderStatus.CANCELED), later)
    assert str(refused(11, SignalType.BUY, 1)).startswith("position would become 26 (held 10)")
    subject.on_execution(report(lost, OrderStatus.CANCELED, sequence=3), later)
    assert refused(12, SignalType.BUY, 15) is None
    subject.on_execution(report(lost, OrderStatus.ACCEPTED, sequence=4), later)  # it has ended
    assert refused(13, SignalType.SELL, 25) is None


def test_a_lost_order_is_kept_longer_than_its_id_and_then_forgotten():
    hour = 60 * MINUTE
    subject = engine(limits=limits_of_a_minute("paper"))
    (lost,) = orders(subject.on_signal(signal(quantity=25), NOW))
    (first,) = subject.changes().working
    assert (first.client_order_id, first.remaining) == (lost.client_order_id, 25)

    def ended_at(time: int, offset: int) -> tuple[str, ...]:
        one = signal(quantity=1, tick_offset=offset, instrument_token=OTHER_TOKEN)
        assert len(orders(subject.on_signal(one, time, time))) == 1
        return subject.changes().ended

    assert ended_at(NOW + 16 * MINUTE + 1, 1) == ()
    assert ended_at(NOW + 25 * hour, 2) == ()  # an id is known for 24 to 25 hours
    assert lost.client_order_id in ended_at(NOW + 49 * hour, 3)


@pytest.mark.parametrize(("days", "hours"), [(2, 30), (2, 47), (0.5, 23)])
def test_a_signal_is_known_for_as_long_as_it_may_become_an_order(days: float, hours: int):
    subject = engine(limits=limits_of(days * 86_400))
    assert len(orders(subject.on_signal(signal(quantity=1), NOW))) == 1
    assert list(subject.on_signal(signal(quantity=1), NOW + hours * 60 * MINUTE)) == []


@pytest.mark.parametrize(
    ("age", "past_brokers", "appended_ago", "reason"),
    [
        (60, [], 60, None),
        (61, [], 0, "the tick happened at 2024-03-01T09:15:00Z, 61 s ago"),
        (30_000_000, [], 0, "the tick happened at 2024-03-01T09:15:00Z, 30,000,000 s ago"),
        (30_000_000, ["zerodha"], 0, "the tick happened at 2024-03-01T09:15:00Z"),
        (30_000_000, ["paper"], 60, None),
        (30_000_000, ["paper"], 61, "it was written at 2025-02-11T14:33:59Z, 61 s ago"),
    ],
)
def test_a_signal_that_is_too_old_is_no_order(age, past_brokers, appended_ago, reason):
    now = NOW + age * 1_000_000
    subject = engine(limits=limits_of_a_minute(*past_brokers))
    (verdict,) = subject.on_signal(signal(), now, now - appended_ago * 1_000_000)
    if reason is None:
        assert isinstance(verdict, Order)
    else:
        assert verdict.code is RejectionCode.EXPIRED
        assert verdict.reason.startswith(f"the signal has expired: {reason}")
        assert "; PANDA_SIGNAL_TTL_SECONDS is 60" in verdict.reason


def test_only_brokers_that_accept_past_ticks_trade_on_them():
    old = signal(brokers=("zerodha", "paper"))
    verdicts = engine(limits=limits_of_a_minute("paper")).on_signal(old, NOW + MINUTE + 1)
    assert [one.broker for one in orders(verdicts)] == ["paper"]
    assert codes(verdicts) == [RejectionCode.EXPIRED]


def test_a_recreated_ticks_topic_begins_anew():
    subject = engine()
    subject.on_signal(signal(tick_offset=7))
    assert len(orders(subject.on_signal(signal(tick_topic_id="topic-b", tick_offset=0)))) == 1
    assert list(subject.on_signal(signal(tick_topic_id="topic-b", tick_offset=0))) == []


@pytest.mark.parametrize(
    "other", [{"strategy_id": str(UUID(int=2))}, {"instrument_token": OTHER_TOKEN}], ids=str
)
def test_strategies_and_instruments_do_not_know_of_each_other(other):
    subject = engine()
    assert len(orders(subject.on_signal(signal(quantity=25)))) == 1
    assert len(orders(subject.on_signal(signal(quantity=25, **other)))) == 1
    assert codes(subject.on_signal(signal(quantity=1, tick_offset=8))) == [
        RejectionCode.POSITION_EXCEEDS_MAXIMUM
    ]


def test_the_kill_switch_is_read_for_every_signal():
    states: dict[str, TradingState] = {}
    subject = engine(states)
    assert codes(subject.on_signal(signal(tick_offset=1))) == []
    states["PAPER1"] = TradingState.HALTED
    assert codes(subject.on_signal(signal(tick_offset=2))) == [RejectionCode.TRADING_HALTED]
    states["PAPER1"] = TradingState.ACTIVE
    assert codes(subject.on_signal(signal(tick_offset=3))) == []


def test_a_refused_order_reserves_nothing():
    subject = engine()
    subject.on_signal(signal(quantity=26, tick_offset=1))
    assert len(orders(subject.on_signal(signal(quantity=25, tick_offset=2)))) == 1


def test_what_an_order_reserved_is_given_back_when_it_ends_unfilled():
    subject = engine()
    (first,) = orders(subject.on_signal(signal(quantity=25, tick_offset=1)))
    assert codes(subject.on_signal(signal(quantity=1, tick_offset=2))) != []
    subject.on_execution(report(first, OrderStatus.REJECTED))
    assert codes(subject.on_signal(signal(quantity=25, tick_offset=3))) == []


def test_a_fill_becomes_position_which_the_other_side_takes_back():
    subject = engine()
    (first,) = orders(subject.on_signal(signal(quantity=25, tick_offset=1)))
    subject.on_execution(report(first, OrderStatus.ACCEPTED))
    subject.on_execution(report(first, OrderStatus.FILLED, sequence=2, filled=25))
    assert codes(subject.on_signal(signal(quantity=1, tick_offset=2))) != []
    sell = signal(signal_type=SignalType.SELL, quantity=50, tick_offset=3)
    assert codes(subject.on_signal(sell)) == []


def test_the_first_check_that_complains_names_the_refusal_and_the_rest_are_not_asked():
    asked: list[str] = []

    def check(name: str, code: RejectionCode | None) -> RiskCheck:
        def run(given: RiskInput, /) -> Violation | None:
            asked.append(name)
            return None if code is None else Violation(code=code, reason=name)

        return run

    subject = engine(
        checks=(
            check("first", None),
            check("second", RejectionCode.VENUE_REJECTED),
            check("third", RejectionCode.TRADING_HALTED),
        )
    )
    assert codes(subject.on_signal(signal())) == [RejectionCode.VENUE_REJECTED]
    assert asked == ["first", "second"]


def test_verdicts_depend_on_nothing_but_what_came_before():
    def life() -> list[Verdict]:
        subject = engine()
        return [
            verdict
            for offset in range(6)
            for verdict in subject.on_signal(signal(tick_offset=offset, quantity=7))
        ]

    assert life() == life()


def test_only_what_changed_is_written_down_and_once():
    subject = engine()
    (first,) = orders(subject.on_signal(signal(tick_offset=1, quantity=5)))
    (other,) = orders(subject.on_signal(signal(instrument_token=OTHER_TOKEN, quantity=5)))
    changes = subject.changes()
    assert [one.instrument_token for one in changes.ledgers] == [TOKEN, OTHER_TOKEN]
    assert [one.client_order_id for one in changes.working] == [
        first.client_order_id,
        other.client_order_id,
    ]
    assert subject.changes() == RiskChanges(ledgers=(), working=(), ended=())
    (second,) = orders(subject.on_signal(signal(tick_offset=2, quantity=5, signal_id="6" * 32)))
    subject.on_execution(report(first, OrderStatus.FILLED, filled=5))
    changes = subject.changes()
    assert [(one.instrument_token, one.positions) for one in changes.ledgers] == [
        (TOKEN, {"PAPER1": 5})
    ]
    assert [one.client_order_id for one in changes.working] == [second.client_order_id]
    assert changes.ended == (first.client_order_id,)


def test_an_order_that_began_and_ended_between_two_checkpoints_is_nothing_to_write():
    subject = engine()
    (first,) = orders(subject.on_signal(signal(tick_offset=1, quantity=5)))
    subject.on_execution(report(first, OrderStatus.FILLED, filled=5))
    changes = subject.changes()
    assert (changes.working, changes.ended) == ((), ())
    assert [one.positions for one in changes.ledgers] == [{"PAPER1": 5}]


def test_a_restored_engine_knows_positions_working_orders_and_how_far_it_was():
    subject = engine()
    (first,) = orders(subject.on_signal(signal(tick_offset=1, quantity=10)))
    subject.on_execution(report(first, OrderStatus.PARTIALLY_FILLED, filled=4))
    changes = subject.changes()
    again = engine()
    again.restore(changes.ledgers, changes.working, changes.decided.written, changes.booked.written)
    assert list(again.on_signal(signal(tick_offset=1))) == []
    again.on_execution(report(first, OrderStatus.PARTIALLY_FILLED, filled=4))  # a redelivery
    assert codes(again.on_signal(signal(tick_offset=2, quantity=16))) == [
        RejectionCode.POSITION_EXCEEDS_MAXIMUM
    ]
    again.on_execution(report(first, OrderStatus.CANCELED, sequence=2))
    assert codes(again.on_signal(signal(tick_offset=3, quantity=21))) == []


def test_a_restored_engine_says_when_an_order_of_before_ends():
    subject = engine()
    (first,) = orders(subject.on_signal(signal(tick_offset=1)))
    changes = subject.changes()
    again = engine()
    again.restore(changes.ledgers, changes.working)
    again.on_execution(report(first, OrderStatus.CANCELED))
    assert again.changes().ended == (first.client_order_id,)


def test_a_quantity_of_another_type_becomes_a_whole_number():
    (made,) = orders(engine().on_signal(signal(quantity=np.int64(10))))
    assert (type(made.quantity), made.quantity) == (int, 10)


def test_every_signal_is_judged_by_the_limit_of_the_version_that_emitted_it():
    of_version = {1: 10, 2: 3, 3: None}
    asked = []

    def limit(strategy_id: str, version: int) -> StrategyLimit:
        asked.append((strategy_id, version))
        return of_version[version]

    subject = engine(strategy_limit=limit)
    judged = [
        codes(subject.on_signal(signal(quantity=4, tick_offset=at, strategy_version=version)))
        for at, version in enumerate([2, 1, 1, 2, 1, 3, 3, 3, 3], start=1)
    ]
    exceeded = [RejectionCode.POSITION_EXCEEDS_MAXIMUM]
    # 0 + 4 > 3; 4; 8; 12 > 3; 12 > 10; 12; 16; 20; 24 of 25
    assert judged == [exceeded, [], [], exceeded, exceeded, [], [], [], []]
    assert asked[0] == (SIGNAL.strategy_id, 2)


def test_a_refusal_names_the_limit_that_was_exceeded():
    (own,) = engine(strategy_limit=lambda *_: 9).on_signal(signal(quantity=10))
    assert own.reason == (
        "position would become 10 (held 0), beyond the strategy's max_position_size of 9"
    )
    (of_all,) = engine(strategy_limit=lambda *_: 26).on_signal(signal(quantity=26))
    assert of_all.reason == "position would become 26 (held 0), beyond the maximum of 25"


def test_a_version_without_a_known_limit_may_only_reduce():
    limits: dict[int, StrategyLimit] = {1: None, 2: UnknownLimit("nobody activated it")}
    subject = engine(strategy_limit=lambda _, version: limits[version])
    (order,) = orders(subject.on_signal(signal(quantity=10, tick_offset=1)))
    subject.on_execution(report(order, OrderStatus.FILLED, filled=10))
    (refused,) = subject.on_signal(signal(quantity=1, tick_offset=2, strategy_version=2))
    assert refused.code is RejectionCode.POSITION_EXCEEDS_MAXIMUM
    assert refused.reason == (
        "position would become 11 (held 10), and the max_position_size of version 2 of the strategy"
        " is not known: nobody activated it; increment `version` in its row and restart the runners"
    )
    sell = {"signal_type": SignalType.SELL, "strategy_version": 2}
    assert codes(subject.on_signal(signal(quantity=11, tick_offset=3, **sell))) != []
    assert codes(subject.on_signal(signal(quantity=10, tick_offset=4, **sell))) == []
