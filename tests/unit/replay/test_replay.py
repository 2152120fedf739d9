"""A replay says what the parts that it is made of say on their own, whatever the pieces."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from uuid import UUID

import pytest

from algo_panda.bootstrap import build_factory
from algo_panda.bootstrap.replay import NoStrategyError, wired_replay
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult, SignalType, TradingSignal
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, Rejection, RejectionCode
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.replay.files import FileTicks
from algo_panda.replay.replay import ReplayResult
from algo_panda.replay.tally import Tally
from algo_panda.replay.ticks import RECEIVED, Refuse, TickColumns, Unusable
from algo_panda.replay.trading import Event
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from tests.unit.fakes.values import START

SETTINGS = Settings(_env_file=None)
TOKENS = (1001, 1002, 1003)
RSI = StrategyConfig(
    id=UUID(int=1), strategy_type="rules_rsi", instruments=TOKENS, parameters={"period": 5}
)
MODEL = StrategyConfig(id=UUID(int=2), strategy_type="hybrid_ml_rsi_filter", instruments=TOKENS)


class Heard:
    """A listener that keeps everything."""

    def __init__(self) -> None:
        self.read = 0
        self.unusable: list[Unusable] = []
        self.said: list[TradingSignal] = []
        self.rejections: list[Rejection] = []
        self.orders: list[Order] = []
        self.executions: list[ExecutionReport] = []

    def ticks(self, columns: TickColumns, /) -> None:
        self.read += len(columns)

    def unusable_record(self, record: Unusable, /) -> None:
        self.unusable.append(record)

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        self.said.extend(signals)

    def events(self, events: Sequence[Event], /) -> None:
        self.rejections += [event for event in events if isinstance(event, Rejection)]
        self.orders += [event for event in events if isinstance(event, Order)]
        self.executions += [event for event in events if isinstance(event, ExecutionReport)]


class Cut:
    """Ticks in one partition per instrument, in pieces of some length."""

    name = "cut"
    topic_id = "T"
    count = None
    time_field = RECEIVED

    def __init__(self, ticks: Iterable[MarketTick], length: int) -> None:
        self._by_token: dict[int, list[MarketTick]] = {}
        for tick in ticks:
            self._by_token.setdefault(tick.instrument_token, []).append(tick)
        self._length = length
        self.partitions = range(len(self._by_token))

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        ticks = self._by_token[TOKENS[partition]]
        refuse(Unusable(partition=partition, offset=len(ticks), code="TOO_SHORT", reason="no"))
        for first, end in pairwise([*range(0, len(ticks), self._length), len(ticks)]):
            yield TickColumns.of(partition, range(first, end), ticks[first:end])


def synthetic(count: int) -> list[MarketTick]:
    source = SyntheticSource(
        instruments=TOKENS, ticks=count, seed=3, start=START, ticks_per_second=50
    )
    ticks = [row.tick for row in source]
    return [tick._replace(received_time_us=tick.event_time_us + 500) for tick in ticks]


def replayed(
    source: object, *configs: StrategyConfig, settings: Settings = SETTINGS, **options: object
) -> tuple[ReplayResult, Heard]:
    heard = Heard()
    with wired_replay(settings, source, configs, [heard]) as wired:
        return wired.replay.run(**options), heard


def one_by_one(ticks: Sequence[MarketTick], *configs: StrategyConfig) -> list[TradingSignal]:
    runner = StrategyRunner(configs=configs, factory=build_factory(SETTINGS))
    runner.start()
    partitions = [runner.partition(topic_id="T", partition=n) for n in range(len(TOKENS))]
    offsets = [0] * len(TOKENS)
    said: list[TradingSignal] = []
    for tick in ticks:
        n = TOKENS.index(tick.instrument_token)
        said.extend(partitions[n].process(tick, offsets[n]))
        offsets[n] += 1
    return said


@pytest.mark.parametrize("length", [1, 7, 10_000])
def test_signals_are_those_of_the_runner_in_the_order_of_arrival(length: int) -> None:
    ticks = synthetic(3_000)
    result, heard = replayed(Cut(ticks, length), RSI, MODEL)
    assert heard.said == one_by_one(ticks, RSI, MODEL)
    assert len(heard.said) > 500
    assert (result.is_complete, result.ticks, heard.read) == (True, 3_000, 3_000)


def test_pieces_leave_no_mark_on_the_fingerprint() -> None:
    ticks = synthetic(2_000)
    found = {replayed(Cut(ticks, n), RSI, MODEL)[0].fingerprint.whole for n in (1, 13, 5_000)}
    assert len(found) == 1


def test_other_ticks_strategies_or_settings_are_another_fingerprint() -> None:
    ticks = synthetic(500)
    less = Settings(_env_file=None, risk_max_position=3)
    found = [
        replayed(Cut(ticks, 100), RSI)[0].fingerprint,
        replayed(Cut(ticks[:-1], 100), RSI)[0].fingerprint,
        replayed(Cut(ticks, 100), MODEL)[0].fingerprint,
        replayed(Cut(ticks, 100), RSI, settings=less)[0].fingerprint,
    ]
    assert len({fingerprint.whole for fingerprint in found}) == 4
    assert found[0].signals == found[3].signals
    assert found[0].fills != found[3].fills


def test_orders_and_fills_follow_from_signals() -> None:
    result, heard = replayed(Cut(synthetic(1_000), 50), RSI)
    wanted = [s.signal_id for s in heard.said if s.signal_type is not SignalType.HOLD]
    assert [order.signal_id for order in heard.orders] == wanted != []
    accepted = [r for r in heard.executions if r.status is OrderStatus.ACCEPTED]
    filled = {r.signal_id: r for r in heard.executions if r.status is OrderStatus.FILLED}
    assert [r.signal_id for r in accepted] == wanted
    assert len(wanted) == len(filled) + result.open_orders > result.open_orders > 0
    following = next_ticks(synthetic(1_000))
    for order in heard.orders:
        tick = following.get((order.instrument_token, order.event_time))
        report = filled.get(order.signal_id)
        if tick is None:
            assert report is None
        else:
            assert report is not None
            assert (report.event_time, report.last_price) == (tick.event_time, tick.last_price)


def next_ticks(ticks: Sequence[MarketTick]) -> dict[tuple[int, datetime], MarketTick]:
    """The tick behind each one of its instrument; no two of an instrument happen at once here."""
    last: dict[int, MarketTick] = {}
    found: dict[tuple[int, datetime], MarketTick] = {}
    for tick in ticks:
        before = last.get(tick.instrument_token)
        if before is not None:
            assert before.event_time < tick.event_time
            found[tick.instrument_token, before.event_time] = tick
        last[tick.instrument_token] = tick
    return found


def test_the_cut_of_pieces_and_partitions_changes_no_fill() -> None:
    ticks = synthetic(2_000)
    paper = {"paper_slippage": "3 bps", "paper_latency_ms": 400, "paper_volume_limit": "0.5"}
    settings = Settings(_env_file=None, **paper)  # type: ignore[arg-type]
    one, heard = replayed(Cut(ticks, 2_000), RSI, settings=settings)
    other, again = replayed(Cut(ticks, 7), RSI, settings=settings)
    assert one.fingerprint == other.fingerprint
    assert heard.executions == again.executions
    plain, _ = replayed(Cut(ticks, 2_000), RSI)
    assert plain.fingerprint.signals == one.fingerprint.signals
    assert plain.fingerprint.fills != one.fingerprint.fills
    assert plain.fingerprint.configuration != one.fingerprint.configuration


def test_risk_refuses_as_it_does_live() -> None:
    settings = Settings(_env_file=None, risk_max_position=1)
    _, heard = replayed(Cut(synthetic(1_000), 50), RSI, settings=settings)
    assert {r.code for r in heard.rejections} == {RejectionCode.POSITION_EXCEEDS_MAXIMUM}
    assert len(heard.orders) + len(heard.rejections) == len(heard.said)


def test_signals_without_a_broker_are_no_orders() -> None:
    quiet = StrategyConfig(
        id=RSI.id, strategy_type="rules_rsi", instruments=TOKENS, active_brokers=()
    )
    _, heard = replayed(Cut(synthetic(500), 50), quiet)
    assert heard.said
    assert not heard.orders


def test_what_would_be_sent_to_zerodha_is_filled_on_paper() -> None:
    live = StrategyConfig(
        id=RSI.id, strategy_type="rules_rsi", instruments=TOKENS, zerodha_trading_enabled=True
    )
    _, heard = replayed(Cut(synthetic(500), 50), live)
    assert {(r.broker, r.account) for r in heard.executions} == {("zerodha", "zerodha")}
    assert all(r.venue_order_id and r.venue_order_id.startswith("PAPER") for r in heard.executions)


def test_records_that_are_no_ticks_are_told() -> None:
    _, heard = replayed(Cut(synthetic(100), 50), RSI)
    assert [record.partition for record in heard.unusable] == [0, 1, 2]


def test_it_stops_when_told_to_with_what_there_is() -> None:
    counts: list[int] = []
    result, heard = replayed(
        FileTicks("made up", lambda: synthetic(30_000)),
        RSI,
        stopped=lambda: bool(counts),
        on_progress=counts.append,
    )
    assert not result.is_complete
    assert result.ticks == heard.read == counts[-1] < 30_000
    assert heard.said


def test_with_no_strategy_that_starts_there_is_no_replay() -> None:
    unknown = StrategyConfig(id=UUID(int=9), strategy_type="no_such", instruments=(1,))
    with pytest.raises(NoStrategyError, match="unknown strategy type 'no_such'"):
        replayed(Cut(synthetic(10), 5), unknown)


def test_the_tally_adds_up() -> None:
    tally = Tally()
    with wired_replay(SETTINGS, Cut(synthetic(2_000), 64), [RSI], [tally]) as wired:
        result = wired.replay.run()
    (said,) = tally.strategies.values()
    assert sum(said.signals.values()) == said.orders > 0
    assert said.orders == said.fills + result.open_orders
    assert tally.instruments == len(TOKENS)
    assert tally.unusable == {"TOO_SHORT": 3}
    ticks = synthetic(2_000)
    last = {tick.instrument_token: tick.last_price for tick in ticks}
    assert tally.prices == last
    assert (tally.first_us, tally.last_us) == (ticks[0].event_time_us, ticks[-1].event_time_us)


class Unwritable:
    """Says what passes its validator and no record can hold: its text is half a character."""

    history_size = 0

    def process_tick(self, tick: MarketTick, _history: Sequence[MarketTick], /) -> SignalResult:
        return SignalResult("BUY", 0.5, 1, tick.last_price, "\ud800" if tick[1] % 2 else "fine")


def test_a_signal_that_cannot_be_written_is_refused_as_it_is_live() -> None:
    strategy = StrategyConfig(id=UUID(int=7), strategy_type="unwritable", instruments=(1001,))
    settings = Settings(
        _env_file=None,
        processors={"unwritable": "tests.unit.replay.test_replay.create_unwritable"},
    )
    ticks = [MarketTick(1001, 10**15 + n, 10**10, 1, n) for n in range(10)]
    result, heard = replayed(FileTicks("made up", lambda: ticks), strategy, settings=settings)
    assert [signal.tick_offset for signal in heard.said] == [0, 2, 4, 6, 8]
    assert [rejection.tick_offset for rejection in heard.rejections] == [1, 3, 5, 7, 9]
    assert {rejection.code for rejection in heard.rejections} == {RejectionCode.INVALID_SIGNAL}
    assert len(heard.orders) == 5
    assert result.is_complete


def create_unwritable(_config: StrategyConfig, _context: object) -> Unwritable:
    return Unwritable()
