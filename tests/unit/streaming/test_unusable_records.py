"""What stages do with records that they cannot use: nothing, but for a dead letter."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from algo_panda.brokers.paper.broker import PaperBroker
from algo_panda.brokers.paper.fills import FillModel
from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.trading import OrderStatus, TradingState
from algo_panda.execution.router import OrderRouter
from algo_panda.risk.checks import RiskLimits
from algo_panda.risk.engine import RiskEngine
from algo_panda.streaming.operator import MessageHeaders, Output, PartitionOperator, Start
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.paper import PaperOperator
from algo_panda.streaming.operators.ports import SilentStageTelemetry
from algo_panda.streaming.operators.risk import RiskOperator
from algo_panda.streaming.operators.router import RouterOperator
from algo_panda.streaming.state_codec import PaperStateCodec, RiskStateCodec, RouterStateCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.dead_letter import DeadLetter, parse_dead_letter
from tests.unit.fakes.values import ORDER, OTHER_TOKEN, TOKEN, report, signal, tick

CODECS = load_codecs()
TOKEN_KEY, ACCOUNT_KEY = b"%d" % TOKEN, ORDER.account.encode()


@dataclass
class Record:
    """A message as the client library gives it."""

    name: str
    bytes_of_key: bytes | None
    bytes_of_value: bytes | None

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 17

    def key(self) -> bytes | None:
        return self.bytes_of_key

    def value(self) -> bytes | None:
        return self.bytes_of_value

    def timestamp(self) -> tuple[int, int]:
        return (1, 0)

    def headers(self) -> MessageHeaders:
        return [("from", b"afar")]


class HeardLetters(SilentStageTelemetry):
    """Remembers the dead letters."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str]] = []

    def dead_letter(self, topic: str, code: str, /) -> None:
        self.letters.append((topic, code))


def writer(telemetry: HeardLetters) -> DeadLetterWriter:
    names = ("signals", "executions", "orders", "paper-orders")
    return DeadLetterWriter(
        topics={name: f"{name}.dlq" for name in names}, telemetry=telemetry, app_version="1.2.3"
    )


def risk(telemetry: HeardLetters) -> PartitionOperator:
    return RiskOperator(
        engine=RiskEngine(
            limits=RiskLimits(max_quantity=100, max_notional=Decimal(10**6), max_position=100),
            account_for=lambda _broker: ORDER.account,
            trading_state=lambda _account: TradingState.ACTIVE,
            strategy_limit=lambda _id, _version: None,
        ),
        signals=CODECS.signals,
        executions=CODECS.executions,
        orders=CODECS.orders,
        rejections=CODECS.rejections,
        states=RiskStateCodec(load_catalogue()),
        limits_version="1",
        signals_topic="signals",
        executions_topic="executions",
        orders_topic="orders",
        rejections_topic="rejections",
        dead_letters=writer(telemetry),
        telemetry=telemetry,
        pin_trading_states=lambda: 0,
        now_us=lambda: ORDER.event_time_us,
    )


def router(telemetry: HeardLetters) -> PartitionOperator:
    return RouterOperator(
        router=OrderRouter(
            brokers={"paper": PaperBroker()}, trading_state=lambda _account: TradingState.ACTIVE
        ),
        orders=CODECS.orders,
        paper_orders=CODECS.paper_orders,
        executions=CODECS.executions,
        rejections=CODECS.rejections,
        states=RouterStateCodec(load_catalogue()),
        paper_orders_topic="paper-orders",
        executions_topic="executions",
        rejections_topic="rejections",
        dead_letters=writer(telemetry),
        telemetry=telemetry,
        pin_trading_states=lambda: 0,
        now_us=lambda: ORDER.event_time_us,
    )


def paper(telemetry: HeardLetters) -> PartitionOperator:
    operator = PaperOperator(
        partition=ORDER.tick_partition,
        topic_id=ORDER.tick_topic_id,
        venue=PaperVenue(topic_id=ORDER.tick_topic_id, model=FillModel()),
        ticks=CODECS.ticks,
        orders=CODECS.paper_orders,
        executions=CODECS.executions,
        states=PaperStateCodec(load_catalogue(), CODECS.paper_orders),
        ticks_topic="ticks",
        executions_topic="executions",
        dead_letters=writer(telemetry),
        telemetry=telemetry,
        reread=lambda _first, _end: (),
        pin_trading_states=lambda: 0,
        now_us=lambda: ORDER.event_time_us,
    )
    start = Start(offsets={"ticks": ORDER.tick_offset, "paper-orders": 0}, is_settled=True)
    operator.restore({}, start)
    return operator


def record_of(output: Output) -> Record:
    return Record(output.topic, output.key, output.value)


Make = Callable[[HeardLetters], PartitionOperator]
A_SIGNAL = CODECS.signals.encode(signal())
AN_EXECUTION = CODECS.executions.encode(report(ORDER, OrderStatus.FILLED, filled=10))
AN_ORDER = CODECS.orders.encode(ORDER)
A_PAPER_ORDER = CODECS.paper_orders.encode(ORDER)
A_TICK = CODECS.ticks.encode(tick("101", seconds=1))

of_every_input = pytest.mark.parametrize(
    ("make", "good"),
    [
        pytest.param(risk, Record("signals", TOKEN_KEY, A_SIGNAL), id="signals"),
        pytest.param(risk, Record("executions", TOKEN_KEY, AN_EXECUTION), id="executions"),
        pytest.param(router, Record("orders", ACCOUNT_KEY, AN_ORDER), id="orders"),
        pytest.param(paper, Record("paper-orders", TOKEN_KEY, A_PAPER_ORDER), id="paper-orders"),
    ],
)


@of_every_input
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        pytest.param(lambda _: None, "TOO_SHORT", id="no value"),
        pytest.param(lambda _: b"no record", "WRONG_MAGIC_BYTE", id="no Avro"),
        pytest.param(lambda v: b"\0\0\0\0\x63" + v[5:], "UNKNOWN_SCHEMA_ID", id="unknown schema"),
        pytest.param(lambda v: v[:-3], "UNDECODABLE", id="cut short"),
        pytest.param(lambda v: v + b"\0", "TRAILING_BYTES", id="too long"),
    ],
)
def test_a_value_that_cannot_be_read_becomes_a_dead_letter_as_it_came(
    make: Make, good: Record, spoil: Callable[[bytes | None], bytes | None], code: str
) -> None:
    expect_dead_letter(make, replace(good, bytes_of_value=spoil(good.bytes_of_value)), code)


@of_every_input
@pytest.mark.parametrize("key", [None, b"", b"%d" % OTHER_TOKEN, b'"1001"', b"PAPER2"])
def test_a_record_under_another_key_becomes_a_dead_letter(
    make: Make, good: Record, key: bytes | None
) -> None:
    letter = expect_dead_letter(make, replace(good, bytes_of_key=key), "KEY_MISMATCH")
    assert letter.error_message == (
        f"the key is {key!r}, and by the value it must be {good.bytes_of_key!r}"
    )


def expect_dead_letter(make: Make, bad: Record, code: str) -> DeadLetter:
    """``bad`` gives one, and nothing is remembered of it."""
    heard = HeardLetters()
    operator = make(heard)
    (sent,) = operator.process(bad.name, [bad])
    assert (sent.topic, sent.key, sent.value) == (f"{bad.name}.dlq", bad.key(), bad.value())
    letter = parse_dead_letter(key=sent.key, value=sent.value, headers=sent.headers)
    assert letter.headers == (("from", b"afar"),)
    assert (letter.topic, letter.partition, letter.offset) == (bad.name, 3, 17)
    assert (letter.error_code, letter.app_version) == (code, "1.2.3")
    assert heard.letters == [(bad.name, code)]
    assert list(operator.changed()) == []
    return letter


@of_every_input
def test_its_neighbours_are_processed_as_if_it_were_not_there(make: Make, good: Record) -> None:
    bad = replace(good, bytes_of_key=b"elsewhere")
    alone, among = make(HeardLetters()), make(HeardLetters())
    expected = alone.process(good.name, [good])
    before, *found, after = among.process(good.name, [bad, good, bad])
    assert found == list(expected)
    assert before.topic == after.topic == f"{good.name}.dlq"
    assert list(among.changed()) == list(alone.changed()) != []


def test_what_one_stage_sends_the_next_one_can_use() -> None:
    heard = HeardLetters()
    judge, route, fill = risk(heard), router(heard), paper(heard)
    (an_order,) = judge.process("signals", [Record("signals", TOKEN_KEY, A_SIGNAL)])
    assert (an_order.topic, an_order.key) == ("orders", ACCOUNT_KEY)
    (on_paper,) = route.process("orders", [record_of(an_order)])
    assert (on_paper.topic, on_paper.key) == ("paper-orders", TOKEN_KEY)
    executions = [
        *fill.process("paper-orders", [record_of(on_paper)]),
        *fill.process("ticks", [Record("ticks", TOKEN_KEY, A_TICK)]),
    ]
    assert [(e.topic, e.key) for e in executions] == [("executions", TOKEN_KEY)] * 2
    assert judge.process("executions", [record_of(e) for e in executions]) == []
    assert heard.letters == []
