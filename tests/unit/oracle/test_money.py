"""The independent model against small runs in which exactly one thing is wrong."""

import ast
import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import tests.oracle
from tests.oracle.cuts import limits_version
from tests.oracle.ids import (
    client_order_id,
    execution_id,
    partition_of,
    rejection_id,
    signal_id,
)
from tests.unit.oracle.drafts import (
    DAY_US,
    HOME,
    PARTITIONS,
    RULES,
    STRATEGY,
    TOKEN,
    WRITTEN_AT,
    WRITTEN_MS,
    Draft,
    Drafts,
    activation,
    at,
    cover,
    filled,
    letter,
    order,
    price,
    rejection,
    report,
    run,
    signal,
)

ELSEWHERE = (HOME + 1) % PARTITIONS
BUY, SELL, HOLD, LARGE, ABSENT, LAST = range(6)
"""Signals of the run, by their place."""
BOUGHT, SOLD, UNAVAILABLE, WAITING = range(4)
"""Its orders."""

Spoil = Callable[[Drafts], object]


def change(topic: str, number: int, **fields: object) -> Spoil:
    return lambda drafts: drafts[topic][number].fields.update(fields)  # type: ignore[union-attr]


def drop(topic: str, number: int) -> Spoil:
    return lambda drafts: drafts[topic].pop(number)


def state(program: str, key: str, **fields: object) -> Spoil:
    return lambda drafts: drafts.state(program, key).update(fields)


def drop_state(program: str, key: str) -> Spoil:
    def spoil(drafts: Drafts) -> None:
        topic = f"{program}-state-changelog"
        kept = [one for one in drafts[topic] if not one.key.startswith(key)]
        assert len(kept) < len(drafts[topic])
        drafts.topics[topic] = kept

    return spoil


def move_state(program: str, key: str) -> Spoil:
    def spoil(drafts: Drafts) -> None:
        (found,) = [d for d in drafts[f"{program}-state-changelog"] if d.key.startswith(key)]
        found.partition = ELSEWHERE

    return spoil


def add(topic: str, make: Callable[[Drafts], Draft]) -> Spoil:
    return lambda drafts: drafts[topic].append(make(drafts))


def test_a_consistent_run_has_no_differences() -> None:
    assert run().differences() == []


def ids(drafts: Drafts, program: str, kind: str) -> list[str]:
    """The ids in the first segment of a kind: to be changed."""
    topic = f"{program}-state-changelog"
    segment = next(one for one in drafts[topic] if one.key.startswith(f"seen|{kind}"))
    found: list[str] = segment["seen"]["ids"]
    return found


def forget_early(drafts: Drafts) -> None:
    """Let the router forget the only order of an account a microsecond too early."""
    (segment,) = [
        one["seen"]
        for one in drafts["router-state-changelog"]
        if one.key.startswith("seen|") and len(one["seen"]["ids"]) == 1
    ]
    segment["expires_us"] = WRITTEN_MS * 1_000 + DAY_US - 1


def order_of_hold(drafts: Drafts) -> Draft:
    return order(drafts["signals"][HOLD].copy(signal_type="BUY", quantity=1))


def expire(drafts: Drafts) -> Draft:
    return report(drafts["orders"][BOUGHT], 3, "EXPIRED", cumulative_quantity=3)


def expired(drafts: Drafts) -> Draft:
    return rejection("RISK", drafts["signals"][BUY], "paper", "EXPIRED", "", executions=0)


def again(topic: str, number: int, **changed: object) -> Spoil:
    return lambda drafts: drafts[topic].append(drafts[topic][number].copy(**changed))


def decided(topic: str, number: int, **fields: object) -> Spoil:
    def spoil(drafts: Drafts) -> None:
        draft = drafts[topic][number]
        drafts[topic][number] = draft.copy(decision={**draft["decision"], **fields})

    return spoil


def halted_for(topic: str, number: int) -> Spoil:
    """Halt everybody just before the decision on the last record of a topic, or one of the last."""

    def spoil(drafts: Drafts) -> None:
        drafts["control"].append(control("*", "HALTED"))
        decided(topic, number, control_offset=1)(drafts)

    return spoil


def known_since(age_ms: int, router_age_ms: int | None = None) -> Spoil:
    """Let the third checkpoints after an execution be so long before the decisions."""

    def spoil(drafts: Drafts) -> None:
        drafts["executions"][2].timestamp_ms = WRITTEN_MS - 3_000
        third_ms = {
            "paper": WRITTEN_MS - age_ms,
            "router": WRITTEN_MS - (age_ms if router_age_ms is None else router_age_ms),
        }
        for program, last_ms in third_ms.items():
            for number in range(PARTITIONS):
                for written_ms in (WRITTEN_MS - 2_999, WRITTEN_MS - 2_998, last_ms):
                    checkpoint = Draft("\x00checkpoint", b'{"topics": {}}', number, written_ms)
                    drafts[f"{program}-state-changelog"].insert(0, checkpoint)

    return spoil


def control(account: str, state: str) -> Draft:
    fields = {"account": account, "state": state, "reason": "", "issued_by": "", "issued_at": at(0)}
    return Draft(account, fields)


def limit(size: int) -> Spoil:
    return lambda drafts: drafts["activations"][0].fields.update(  # type: ignore[union-attr]
        activation(max_position_size=size)
    )


def covered(spoil: Spoil) -> Spoil:
    """Spoil; then let the checkpoints cover all records."""

    def both(drafts: Drafts) -> None:
        spoil(drafts)
        cover(drafts)

    return both


# Each with a part of every sentence that it is to give, in order.
SPOILED: dict[str, tuple[Spoil, list[str]]] = {
    "the id of a signal": (
        change("signals", HOLD, signal_id="0" * 32),
        ["signals[0] offset 2: signal_id is 0000"],
    ),
    "an order of a HOLD": (
        covered(add("orders", order_of_hold)),
        [
            "orders[1] offset 3: no BUY or SELL signal asks for order",
            "orders[1] offset 3: order MFUFJ7OB3GM7QVJBP6OQ was neither sent to paper nor",
            "risk-state-changelog[0] key order|MFUFJ7OB3GM7QVJBP6OQ: there is no record",
            "risk-state-changelog[0] key seen|signals: id MFUFJ7OB3GM7QVJBP6OQ is missing",
            "router-state-changelog[1] key seen|orders: id MFUFJ7OB3GM7QVJBP6OQ is missing",
        ],
    ),
    "an unanswered signal": (
        drop("rejections", 0),
        ["signals[0] offset 3: the signal for broker paper has neither order"],
    ),
    "an order and a rejection": (
        add(
            "rejections", lambda d: rejection("RISK", d["signals"][BUY], "paper", "EXPIRED", "", 0)
        ),
        [
            "signals[0] offset 0: the signal for broker paper has an order (orders[1] offset 0)",
            "rejections[0] offset 2: EXPIRED, expected that it passes",
        ],
    ),
    "the side of an order": (
        change("orders", BOUGHT, side="SELL"),
        [
            "orders[1] offset 0: side is 'SELL', expected 'BUY'",
            "paper-orders[0] offset 0: side is 'BUY', expected 'SELL'",
            "executions[0] offset 0: side is 'BUY', expected 'SELL'",
            "executions[0] offset 3: side is 'BUY', expected 'SELL'",
        ],
    ),
    "an order that is there twice": (
        covered(again("orders", BOUGHT)),
        ["orders[1] offset 3: IU2IDPT2JEOITGPOKPNW was already in orders[1] offset 0"],
    ),
    "a signal that was sent twice": (covered(again("signals", BUY)), []),
    "a signal with two contents": (
        covered(again("signals", HOLD, confidence=0.1)),
        ["signals[0] offset 6: 6f7bfc1e19276248fd4cec242c459207 differs from that of signals[0]"],
    ),
    "the code of a rejection": (
        change("rejections", 0, code="INVALID_QUANTITY"),
        ["rejections[0] offset 0: INVALID_QUANTITY, expected POSITION_EXCEEDS_MAXIMUM"],
    ),
    "the id of a rejection": (
        change("rejections", 0, rejection_id="1" * 32),
        [
            "signals[0] offset 3: the signal for broker paper has neither order",
            "rejections[0] offset 0: no BUY or SELL signal can have rejection 1111",
        ],
    ),
    "an order that was not routed": (
        drop("rejections", 1),
        ["orders[2] offset 0: order OUEKK5FKT5HYAJZKCMCJ was neither sent to paper nor rejected"],
    ),
    "the copy for the paper venue": (
        change("paper-orders", WAITING - 1, signal_price=Decimal(1)),
        [
            "paper-orders[0] offset 2: signal_price is Decimal('1.00000000'), expected",
            "paper-state-changelog[0] key order|2YEYDUWI7ZJPD7M6DJPO: order is",
        ],
    ),
    "the end of an order that the router rejected": (
        drop("executions", 5),
        [
            "rejections[0] offset 1: no report ends order OUEKK5FKT5HYAJZKCMCJ",
            "risk-state-changelog[0] key order|OUEKK5FKT5HYAJZKCMCJ: there is no record",
            "key seen|executions: id OUEKK5FKT5HYAJZKCMCJ-1 is not expected",
        ],
    ),
    "the reason of that end": (
        change("executions", 5, reason="other"),
        ["executions[0] offset 5: reason is 'other', expected \"broker 'zerodha' is not"],
    ),
    "an execution that is there twice": (
        covered(again("executions", 3)),
        ["executions[0] offset 6: IU2IDPT2JEOITGPOKPNW-2 was already in executions[0] offset 3"],
    ),
    "an execution after the end": (
        covered(add("executions", expire)),
        [
            "executions[0] offset 6: order IU2IDPT2JEOITGPOKPNW had ended before",
            "executions[0] offset 6: no tick has this outcome for its order",
            "key seen|executions: id IU2IDPT2JEOITGPOKPNW-3 is missing",
        ],
    ),
    "more filled than ordered": (
        change("executions", 3, last_quantity=4, cumulative_quantity=4),
        [
            "executions[0] offset 3: 4 units are filled, the order has 3",
            "executions[0] offset 3: status is FILLED with 4 units filled",
            "rejections[0] offset 0: it states (101, 1), expected is position 102, held 2",
            "executions[0] offset 3: last_quantity is 4, expected 3",
            "positions is {'paper': 1}, expected {'paper': 2}",
        ],
    ),
    "a cumulative quantity": (
        change("executions", 3, cumulative_quantity=2),
        ["executions[0] offset 3: cumulative_quantity is 2, expected 3"] * 2,
    ),
    "the price of a fill": (
        change("executions", 3, last_price=Decimal(99)),
        ["executions[0] offset 3: last_price is Decimal('99.00000000'), expected Decimal('101"],
    ),
    "the time of a fill": (
        change("executions", 4, event_time=at(3)),
        ["executions[0] offset 4: event_time is datetime.datetime(2026, 1, 5, 9, 15, 3"],
    ),
    "the number of an execution": (
        change("executions", 2, execution_id="2YEYDUWI7ZJPD7M6DJPO-2"),
        [
            "executions[0] offset 2: execution_id is '2YEYDUWI7ZJPD7M6DJPO-2', expected",
            "key seen|executions: id 2YEYDUWI7ZJPD7M6DJPO-2 is missing",
            "key seen|executions: id 2YEYDUWI7ZJPD7M6DJPO-1 is not expected",
        ],
    ),
    "a fill before there is a tick": (
        covered(add("executions", lambda d: filled(d["orders"][WAITING]))),
        [
            "executions[0] offset 6: no tick has this outcome for its order",
            "positions is {'paper': 1}, expected {'paper': 5}",
            "risk-state-changelog[0] key order|2YEYDUWI7ZJPD7M6DJPO: no such record is expected",
            "key seen|executions: id 2YEYDUWI7ZJPD7M6DJPO-2 is missing",
            "paper-state-changelog[0] key order|2YEYDUWI7ZJPD7M6DJPO: no such record is expected",
        ],
    ),
    "a partition": (
        covered(lambda d: setattr(d["executions"][0], "partition", ELSEWHERE)),
        ["executions[1] offset 0: key b'1001' belongs into partition 0"],
    ),
    "a record without a dead letter": (
        covered(lambda d: d["signals"].append(Draft(str(TOKEN), b"no signal"))),
        ["signals[0] offset 6: it is unusable and has no dead letter"],
    ),
    "a dead letter of a usable record": (
        lambda d: d["signals.dlq"].append(letter("test-signals", HOME, 1)),
        ["signals.dlq[0] offset 0: signals[0] offset 1 is usable, or had a dead letter"],
    ),
    # Age and trading state
    "a rejection for its age without need": (
        change("rejections", 0, code="EXPIRED"),
        ["rejections[0] offset 0: EXPIRED, expected POSITION_EXCEEDS_MAXIMUM"],
    ),
    "a halt that nobody asked for": (
        change("rejections", 1, code="TRADING_HALTED"),
        ["rejections[0] offset 1: TRADING_HALTED, expected BROKER_UNAVAILABLE"],
    ),
    # Limits
    "an approval beyond the limit of the strategy": (
        limit(4),
        ["orders[1] offset 2: it passed, expected POSITION_EXCEEDS_MAXIMUM"],
    ),
    "an approval of a version that is not known": (
        drop("activations", 0),
        [
            "orders[1] offset 0: it passed, expected POSITION_EXCEEDS_MAXIMUM",
            "orders[1] offset 1: it passed, expected POSITION_EXCEEDS_MAXIMUM",
            "orders[2] offset 0: it passed, expected POSITION_EXCEEDS_MAXIMUM",
            "orders[1] offset 2: it passed, expected POSITION_EXCEEDS_MAXIMUM",
        ],
    ),
    "an approval beyond the limit of an order": (
        change("signals", BUY, quantity=0),
        [
            "orders[1] offset 0: quantity is 3, expected 0",
            "orders[1] offset 0: it passed, expected INVALID_QUANTITY",
        ],
    ),
    "a rejection without need": (
        change("signals", LARGE, quantity=4),
        ["rejections[0] offset 0: POSITION_EXCEEDS_MAXIMUM, expected that it passes"],
    ),
    "a position that cannot be held": (
        change("rejections", 0, reason="position would become 101 (held 5)"),
        ["rejections[0] offset 0: it states (101, 5), expected is position 101, held 1"],
    ),
    # What was known
    "a decision that does not state what was known": (
        change("orders", SOLD, decision=None),
        ["orders[1] offset 1: it does not state what was known at the decision"],
    ),
    "a decision by fewer executions than the one before": (
        decided("orders", WAITING, executions_offset=4),
        ["orders[1] offset 2: executions is applied to 4, before to 5"],
    ),
    "a decision by fewer events of control than the one before": (
        decided("orders", BOUGHT, control_offset=1),
        [
            "orders[1] offset 1: control is applied to 0, before to 1",
            "rejections[0] offset 0: control is applied to 0, before to 1",
            "orders[2] offset 0: control is applied to 0, before to 1",
            "orders[1] offset 2: control is applied to 0, before to 1",
        ],
    ),
    "a decision before the one before it": (
        decided("paper-orders", 1, decided_at=WRITTEN_AT - timedelta(microseconds=1)),
        [
            "paper-orders[0] offset 1: it was decided before an earlier record was",
            "paper-orders[0] offset 1: it was decided at 1799999999999999 us, its cause was",
        ],
    ),
    "a decision after its record was written": (
        decided("executions", 4, decided_at=WRITTEN_AT + timedelta(milliseconds=2)),
        [
            "executions[0] offset 4: it was decided at 1800000000002000 us, its cause was",
        ],
    ),
    "other limits": (
        decided("orders", SOLD, limits_version="00000000"),
        ["orders[1] offset 1: limits_version is 00000000, expected b8fa7419"],
    ),
    "an execution that risk should have known for a while": (
        known_since(2_101),
        [
            "orders[1] offset 0: executions offset 2 could be read 2101 ms before the decision, wh",
            "orders[1] offset 1: executions offset 2 could be read 2101 ms before the decision, wh",
            "executions[0] offset 2: it was decided at 1800000000000000 us, its cause was",
        ],
    ),
    "a position without the newest executions": (
        decided("rejections", 0, executions_offset=4),
        ["rejections[0] offset 0: it states (101, 1), expected is position 103, held 3"],
    ),
    "an order while its account is halted": (
        halted_for("orders", WAITING),
        ["orders[1] offset 2: it passed, expected TRADING_HALTED"],
    ),
    "an order that was sent while its account is halted": (
        halted_for("paper-orders", WAITING - 1),
        [
            "paper-orders[0] offset 2: it passed, expected TRADING_HALTED",
            "paper-state-changelog[0] key order|2YEYDUWI7ZJPD7M6DJPO: order is",
        ],
    ),
    "a fill while its account is halted": (
        halted_for("executions", 4),
        ["executions[0] offset 4: a fill while account paper is HALTED"],
    ),
    "an order while control cannot be read": (
        decided("orders", WAITING, control_offset=None),
        ["orders[1] offset 2: it passed, expected TRADING_HALTED"],
    ),
    # States
    "the position of a ledger": (
        state("risk", "ledger", positions={"paper": 2}),
        [f"ledger|{STRATEGY}|{TOKEN}: positions is {{'paper': 2}}, expected {{'paper': 1}}"],
    ),
    "the account of a position": (
        state("risk", "ledger", positions={"paper": 1, "zerodha": 0}),
        ["positions is {'paper': 1, 'zerodha': 0}, expected {'paper': 1}"],
    ),
    "a ledger that is missing": (
        drop_state("risk", "ledger"),
        [f"risk-state-changelog[0] key ledger|{STRATEGY}|{TOKEN}: there is no record"],
    ),
    "a ledger in another partition": (
        move_state("risk", "ledger"),
        [
            f"risk-state-changelog[0] key ledger|{STRATEGY}|{TOKEN}: there is no record",
            f"risk-state-changelog[1] key ledger|{STRATEGY}|{TOKEN}: no such record is expected",
        ],
    ),
    "a working order that is missing": (
        drop_state("risk", "order"),
        ["risk-state-changelog[0] key order|2YEYDUWI7ZJPD7M6DJPO: there is no record"],
    ),
    "the rest of a working order": (
        state("risk", "order", remaining=-4),
        ["risk-state-changelog[0] key order|2YEYDUWI7ZJPD7M6DJPO: remaining is -4, expected 4"],
    ),
    "the acknowledgement of a working order": (
        state("risk", "order", is_acknowledged=False),
        ["key order|2YEYDUWI7ZJPD7M6DJPO: is_acknowledged is False, expected True"],
    ),
    "an open order that is missing": (
        drop_state("paper", "order"),
        ["paper-state-changelog[0] key order|2YEYDUWI7ZJPD7M6DJPO: there is no record"],
    ),
    "the fills of an open order": (
        state("paper", "order", filled=1, events=2, notional_raw="5"),
        ["filled is 1, expected 0, events is 2, expected 1, notional_raw is '5', expected '0'"],
    ),
    "a signal that risk forgot": (
        lambda d: ids(d, "risk", "signals").remove(d["signals"][BUY]["signal_id"]),
        ["risk-state-changelog[0] key seen|signals: id dec8f08e4fc364cdd4d23355051f1808 is miss"],
    ),
    "an execution that risk forgot": (
        lambda d: ids(d, "risk", "executions").pop(0),
        ["risk-state-changelog[0] key seen|executions: id IU2IDPT2JEOITGPOKPNW-1 is missing"],
    ),
    "an order that the router forgot": (
        lambda d: ids(d, "router", "orders").pop(0),
        ["router-state-changelog[1] key seen|orders: id IU2IDPT2JEOITGPOKPNW is missing"],
    ),
    "an order that the paper venue never had": (
        lambda d: ids(d, "paper", "orders").append("X"),
        ["paper-state-changelog[0] key seen|orders: id X is not expected"],
    ),
    "an id that is remembered twice": (
        lambda d: ids(d, "paper", "orders").append(ids(d, "paper", "orders")[0]),
        ["paper-state-changelog[0] key seen|orders|0: id IU2IDPT2JEOITGPOKPNW is there twice"],
    ),
    "ids that are forgotten too early": (
        forget_early,
        ["router-state-changelog[2] key seen|orders: id OUEKK5FKT5HYAJZKCMCJ is forgotten at"],
    ),
    "the number of a segment": (
        state("risk", "seen|signals", number=1),
        ["risk-state-changelog[0] key seen|signals|0: it is not the key of its ids"],
    ),
    "a checkpoint that does not cover all": (
        add("signals", lambda _: signal(6, "HOLD", 0)),
        ["key checkpoint: next offset of signals is 6, its last record has offset 6"],
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_one_wrong_record_is_found(name: str) -> None:
    spoil, expected = SPOILED[name]
    drafts = run()
    spoil(drafts)
    found = drafts.differences()
    assert len(found) == len(expected), found
    for sentence, part in zip(found, expected, strict=True):
        assert part in sentence


def test_a_dead_letter_of_an_unusable_record_is_expected() -> None:
    drafts = run()
    drafts["signals"].append(Draft(str(TOKEN), b"no signal"))
    drafts["signals.dlq"].append(letter("test-signals", HOME, 6))
    cover(drafts)
    assert drafts.differences() == []


def test_forgotten_ids_are_no_difference_after_a_day() -> None:
    drafts = run()
    ids(drafts, "risk", "executions").pop(0)
    drafts["risk-state-changelog"][-1].timestamp_ms += 24 * 3_600 * 1_000
    assert drafts.differences() == []


def test_an_order_of_a_past_tick_is_found_unless_its_broker_accepts_it() -> None:
    found = run().differences(replace(RULES, past_brokers=frozenset({"paper"})))
    versions = [one for one in found if "limits_version is b8fa7419" in one]
    assert len(versions) == 5  # four orders and a rejection by risk
    assert [one for one in found if one not in versions] == [
        "orders[2] offset 0: it passed, expected EXPIRED",
        "rejections[0] offset 1: BROKER_UNAVAILABLE, expected EXPIRED",
    ]


def test_a_rejection_for_its_age_and_a_halt_may_be_right() -> None:
    drafts = run()
    drafts["signals"][LARGE].timestamp_ms -= 60_001
    drafts["rejections"][0].fields.update(code="EXPIRED")  # type: ignore[union-attr]
    drafts["control"].append(control("*", "HALTED"))
    for topic, number in (("rejections", 1), ("executions", 5)):
        decided(topic, number, control_offset=1)(drafts)
    drafts["rejections"][1].fields.update(code="TRADING_HALTED")  # type: ignore[union-attr]
    assert drafts.differences() == []


def test_an_order_waits_while_its_account_is_halted() -> None:
    drafts = run()
    fill = drafts["executions"][3]
    # The first tick behind the first order passes; the second one fills it.
    fill.fields.update(last_price=price(2), event_time=at(2))  # type: ignore[union-attr]
    (found,) = drafts.differences()
    assert found.startswith("executions[0] offset 3: ")
    assert "last_price is Decimal('102.00000000'), expected Decimal('101.00000000')" in found
    drafts["control"].extend([control("paper", "HALTED"), control("paper", "ACTIVE")])
    for number in (3, 4):
        decided("executions", number, control_offset=2)(drafts)
    assert drafts.differences() == []


def test_the_version_of_limits_is_the_documented_digest() -> None:
    text = b"200|100000000000000000|10|60000000|paper|zerodha"
    assert limits_version(RULES) == hashlib.blake2b(text, digest_size=4).hexdigest()


def test_a_tick_after_the_time_to_expiry_ends_an_order() -> None:
    found = run().differences(replace(RULES, paper_expire_us=500_000))
    assert [one.split(":")[0] for one in found] == [
        "executions[0] offset 3",
        "executions[0] offset 4",
    ]
    assert "status is 'FILLED', expected 'EXPIRED'" in found[0]


def test_a_tick_that_may_be_the_orders_own_does_not_fill_it() -> None:
    drafts = run()
    # The first tick comes twice; the second copy stands where the fill was.
    drafts["ticks"][1].fields.update(event_time=at(0), last_price=price(0))  # type: ignore[union-attr]
    (found,) = drafts.differences()
    assert found.startswith("executions[0] offset 3: ")
    assert "last_price is Decimal('101.00000000'), expected Decimal('102.00000000')" in found


def test_ids_and_partitions_are_those_of_recorded_examples() -> None:
    topic = "yW7cT1vNQ6mTe0tV0k9QaA"
    signal_of_tick = signal_id(STRATEGY, 256265, topic, 0, 0)
    assert signal_of_tick == "b98234ab6baae403295131ba4afa1992"
    assert client_order_id(signal_of_tick, "AB1234") == "X5PO6WCM3RXYOFQHMVJE"
    assert execution_id("X5PO6WCM3RXYOFQHMVJE", 2) == "X5PO6WCM3RXYOFQHMVJE-2"
    assert rejection_id("risk", signal_of_tick, "paper") == "01d92f8b93d99141964755dd90591d75"
    # From the tests of Apache Kafka's own hash, as unsigned numbers without the sign bit.
    for key, hashed in ((b"21", -973932308), (b"foobar", -790332482), (b"abc", 479470107)):
        assert partition_of(key, 1 << 31) == hashed & 0x7FFFFFFF


VALUES = {f"algo_panda.domain.{name}" for name in ("config", "market", "signals", "trading")}
"""What users' code takes and returns: the model of the runner may import it, as that calls it."""


def test_the_model_imports_nothing_of_the_program() -> None:
    folder = Path(tests.oracle.__file__).parent
    allowed = {"fastavro", "yaml", "tests"}
    for path in folder.rglob("*.py"):
        is_runners = path.parent == folder / "runner"
        for name in imported(path):
            if is_runners and name in VALUES:
                continue
            root = name.split(".")[0]
            assert root in allowed or root in sys.stdlib_module_names, f"{path}: {name}"
            assert root != "tests" or name.startswith("tests.oracle"), f"{path}: {name}"


def imported(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_an_execution_behind_an_open_transaction_of_a_router_need_not_be_known() -> None:
    drafts = run()
    known_since(2_101, router_age_ms=1_900)(drafts)
    assert [line for line in drafts.differences() if "could be read" in line] == []
