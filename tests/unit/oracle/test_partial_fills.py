"""The independent model of the fill settings: by hand, and against the paper venue."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from algo_panda.brokers.paper.fees import read_fees
from algo_panda.brokers.paper.fills import FillModel, Markup
from tests.oracle.fills import read_charges
from tests.oracle.money import differences
from tests.oracle.rules import FillRules
from tests.unit.oracle import pipeline
from tests.unit.oracle.drafts import (
    RULES,
    TOKEN,
    WRITTEN_MS,
    Draft,
    Drafts,
    activation,
    at,
    cover,
    decision,
    order,
    report,
    signal,
)

PRESET = "zerodha-nse-intraday-2024-10"
PARTS = FillRules(volume_limit=Decimal("0.5"))
EXPIRE_US = 3_000_000


def ticks(*quantities: int) -> Drafts:
    """A BUY of 5 at the first tick, accepted; ticks of 100, 101, ... a second apart."""
    drafts = Drafts()
    for offset, quantity in enumerate(quantities):
        fields = {
            "instrument_token": TOKEN,
            "event_time": at(offset),
            "last_price": Decimal(100 + offset),
            "last_traded_quantity": quantity,
            "volume_traded": 0,
        }
        drafts["ticks"].append(Draft(str(TOKEN), fields))
    cause = signal(0, "BUY", 5, "paper")
    approved = order(cause)
    drafts["signals"].append(cause)
    drafts["orders"].append(approved)
    drafts["paper-orders"].append(Draft(str(TOKEN), approved.copy().fields))
    drafts["executions"].append(report(approved, 1, "ACCEPTED"))
    drafts["activations"].append(Draft("", activation()))
    return drafts


def add(
    drafts: Drafts,
    offset: int,
    status: str,
    quantity: int,
    price: str | None,
    total: int,
    **more: Any,
) -> None:
    """Add the report that the tick at ``offset`` causes."""
    (approved,) = drafts["orders"]
    drafts["executions"].append(
        report(
            approved,
            len(drafts["executions"]) + 1,
            status,
            event_time=at(offset),
            last_quantity=quantity,
            last_price=None if price is None else Decimal(price),
            cumulative_quantity=total,
            **more,
        )
    )


def found(drafts: Drafts, fills: FillRules) -> list[str]:
    """The differences, but for those of the states, which these drafts do not have."""
    cover(drafts)
    rules = replace(RULES, fills=fills, paper_expire_us=EXPIRE_US)
    return [one for one in drafts.differences(rules) if "-state-changelog" not in one]


def test_parts_of_the_quantity_of_ticks() -> None:
    """Half of 4, at least one unit of 1, nothing of nothing, and what is left of 100."""
    drafts = ticks(9, 4, 1, 0, 100)
    rules = replace(PARTS, seed=3)
    add(drafts, 1, "PARTIALLY_FILLED", 2, "101", 2)
    add(drafts, 2, "PARTIALLY_FILLED", 1, "102", 3)
    assert len(found(drafts, rules)) == 1  # by the tick 4 s later, it has expired
    add(drafts, 4, "EXPIRED", 0, None, 3)
    assert found(drafts, rules) == []


def test_the_last_part_is_what_is_left() -> None:
    drafts = ticks(9, 4, 100)
    add(drafts, 1, "PARTIALLY_FILLED", 2, "101", 2)
    add(drafts, 2, "FILLED", 3, "102", 5)
    assert found(drafts, PARTS) == []


@pytest.mark.parametrize(
    ("fills", "price"),
    [
        (FillRules(spread="2 ticks", tick_size=Decimal("0.05")), "101.05"),
        (FillRules(spread="3 bps"), "101.01515"),  # 101 * 0.00015
        (FillRules(slippage="3 bps"), "101.0303"),
        (FillRules(slippage="1 ticks", tick_size=Decimal("0.25")), "101.25"),
        (FillRules(slippage="1 bps", tick_size=Decimal("0.05")), "101.05"),  # 101.0101 rounded up
        (FillRules(slippage="3 bps", slippage_probability=0), "101"),
    ],
)
def test_prices_are_made_worse(fills: FillRules, price: str) -> None:
    drafts = ticks(1, 1)
    add(drafts, 1, "FILLED", 5, price, 5)
    assert found(drafts, fills) == []


def test_a_latency_lets_ticks_pass() -> None:
    drafts = ticks(1, 1, 1)
    fills = FillRules(latency_us=1_000_001)
    add(drafts, 2, "FILLED", 5, "102", 5)
    assert found(drafts, fills) == []
    assert found(ticks(1, 1), fills) == []


def test_fees_rise_with_each_part() -> None:
    """Of 202, then of 508: 0.03 %, 0.00297 %, 0.0001 %, 18 % of these three, and 0.003 %."""
    drafts = ticks(9, 4, 100)
    fills = replace(PARTS, charges=read_charges(PRESET))
    # 202 * (0.0003 + 0.0000297 + 0.000001) = 0.0668014; taxed: 0.078825652; and 202 * 0.00003.
    first = Decimal("0.08488565")
    # 508 in all: 0.1679956; taxed: 0.198234808; and 0.01524; together 0.21347481.
    add(drafts, 1, "PARTIALLY_FILLED", 2, "101", 2, fees=first)
    add(drafts, 2, "FILLED", 3, "102", 5, fees=Decimal("0.21347481") - first)
    assert found(drafts, fills) == []


Spoil = Callable[[Drafts], object]


def change(number: int, **fields: object) -> Spoil:
    return lambda drafts: drafts["executions"][number].fields.update(fields)  # type: ignore[union-attr]


SPOILED: Mapping[str, Spoil] = {
    "the price": change(1, last_price=Decimal("101.01")),
    "the quantity": change(1, last_quantity=3),
    "the time": change(1, event_time=at(2)),
    "fees": change(1, fees=Decimal(1)),
    "an end too early": change(2, status="EXPIRED", last_quantity=0, last_price=None),
    "no second part": lambda drafts: drafts["executions"].pop(2),
    "a third part": lambda drafts: add(drafts, 3, "FILLED", 1, "103", 6),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_wrong_is_found(what: str) -> None:
    drafts = ticks(9, 4, 100, 100)
    add(drafts, 1, "PARTIALLY_FILLED", 2, "101", 2)
    add(drafts, 2, "FILLED", 3, "102", 5)
    assert found(drafts, PARTS) == []
    SPOILED[what](drafts)
    assert found(drafts, PARTS) != []


def test_a_halted_account_lets_ticks_pass_but_not_expiry() -> None:
    drafts = ticks(9, 4, 100, 100, 100)
    event = {
        "account": "paper",
        "state": "HALTED",
        "reason": "",
        "issued_by": "",
        "issued_at": at(0),
    }
    for state in ("HALTED", "ACTIVE"):
        drafts["control"].append(Draft("paper", {**event, "state": state}, 0, WRITTEN_MS))
    known = {"decision": {**decision(), "control_offset": 2}}
    add(drafts, 2, "FILLED", 5, "102", 5, **known)  # the tick of 4 passed
    assert found(drafts, PARTS) == []
    drafts["executions"].pop()
    assert len(found(drafts, PARTS)) == 1  # the tick 4 s later ends it
    add(drafts, 4, "EXPIRED", 0, None, 0, **known)
    assert found(drafts, PARTS) == []


@pytest.mark.parametrize("seed", range(12))
def test_the_paper_venue_agrees_after_crashes_at_any_moment(seed: int) -> None:
    size = Decimal("0.05")
    models = [
        (FillModel(volume_limit=Decimal("0.25"), expire_after_us=9_000_000), FillRules()),
        (
            FillModel(
                spread=Markup(ticks=Decimal(3)), tick_size=size, latency_us=1_500_000, seed=seed
            ),
            FillRules(spread="3 ticks", tick_size=size, latency_us=1_500_000, seed=seed),
        ),
        (
            FillModel(
                spread=Markup(bps=Decimal("1.5")),
                slippage=Markup(bps=Decimal("7.3")),
                slippage_probability=0.3,
                latency_jitter_us=4_000_000,
                volume_limit=Decimal("0.3"),
                expire_after_us=20_000_000,
                seed=seed,
            ),
            FillRules(
                spread="1.5 bps",
                slippage="7.3 bps",
                slippage_probability=0.3,
                jitter_us=4_000_000,
                seed=seed,
            ),
        ),
    ]
    model, fills = models[seed % 3]
    is_charged = seed % 2 == 0
    fills = replace(
        fills,
        volume_limit=model.volume_limit,
        charges=read_charges(PRESET) if is_charged else None,
    )
    run = pipeline.Pipeline(seed, ("signals",), model, read_fees(PRESET) if is_charged else None)
    run.storm(1_000)
    run.settle()
    topics = run.broker.topics()
    assert len(topics["executions"]) > 50
    rules = replace(
        pipeline.RULES,
        fills=fills,
        paper_expire_us=model.expire_after_us,
    )
    assert differences(topics, rules) == []
    # Another seed or another limit is another outcome: the comparison is no empty one.
    other = replace(rules, fills=replace(fills, volume_limit=Decimal("0.9"), spread="100 bps"))
    assert differences(topics, other) != []
