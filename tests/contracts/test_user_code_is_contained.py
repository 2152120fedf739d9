"""Whatever users' code raises, and wherever: it costs its own strategy what an exception does.

The same strategies run live, with a checkpoint behind every tick and one restart, and in a
backtest. The bytes are the same, and the strategies around the troubled one do not notice.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from algo_panda.bootstrap import build_factory
from algo_panda.bootstrap.replay import wired_replay
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.sharing import SharedIndicator
from algo_panda.domain.signals import SignalResult, SignalType, TradingSignal
from algo_panda.domain.trading import Rejection, RejectionCode, Violation
from algo_panda.replay.files import FileTicks
from algo_panda.replay.observer import Observer
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes.worker import restore

START_US = 1_767_604_500_000_000
TICKS = 6
BAD = 3
"""Number of the tick on which users' code raises."""
RESTART_AFTER = 4
CODECS = load_codecs()


class PanicException(BaseException):
    """Derives from BaseException, as that of PyO3 does."""


class UnspeakableError(BaseException):
    """Raises whatever is asked of it."""

    def __str__(self) -> str:
        raise PanicException("no text")

    __repr__ = __str__

    @property
    def __notes__(self) -> Any:
        raise PanicException("no notes")


ERRORS: dict[str, Callable[[], BaseException]] = {
    "panic": lambda: PanicException("index out of bounds"),
    "interrupt": KeyboardInterrupt,
    "generator_exit": GeneratorExit,
    "exit": lambda: SystemExit(0),
    "cancelled": asyncio.CancelledError,
    "recursion": lambda: RecursionError("maximum recursion depth exceeded"),
    "memory": MemoryError,
    "stop_iteration": StopIteration,
    "unspeakable": UnspeakableError,
}


def number_of(tick: MarketTick) -> int:
    return (tick.event_time_us - START_US) // 1_000_000


class Trouble:
    """Raises one kind of error on the bad tick, or always."""

    def __init__(self, error: str) -> None:
        self._make = ERRORS[error]

    def on(self, number: int) -> None:
        if number == BAD:
            self.now()

    def now(self, *_: Any) -> Any:
        raise self._make()


class Steady:
    """Says at every tick how many it has seen."""

    history_size = 0

    def __init__(self) -> None:
        self.seen = 0

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
        self.seen += 1
        return self.said(tick)

    def said(self, tick: MarketTick, **changes: Any) -> SignalResult:
        fields = {"reasoning": str(self.seen), **changes}
        return SignalResult(SignalType.BUY, 0.5, 1, tick.last_price)._replace(**fields)


class WithSnapshot(Steady):
    def snapshot(self) -> bytes:
        return str(self.seen).encode()

    def restore(self, state: bytes) -> None:
        self.seen = int(state)


# Each of these makes a processor that raises in one place.


def in_process_tick(trouble: Trouble) -> Any:
    class Troubled(WithSnapshot):
        def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
            self.seen += 1
            trouble.on(number_of(tick))
            return self.said(tick)

    return Troubled()


class Halved(WithSnapshot):
    """Cut in two, with a model of its own."""

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
        request = self.prepare_tick(tick, history)
        return self.conclude_tick(tick, request, self.infer([request.row])[0])

    def prepare_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> InferenceRequest:
        self.seen += 1
        return InferenceRequest(self, (float(number_of(tick)),), self.seen)

    def conclude_tick(self, tick: MarketTick, request: InferenceRequest, answer: Any) -> Any:
        return self.said(tick, reasoning=f"{request.about} {answer}")

    def infer(self, rows: Sequence[Sequence[float]]) -> Sequence[Any]:
        return [row[0] * 2 for row in rows]


def in_prepare_tick(trouble: Trouble) -> Any:
    class Troubled(Halved):
        def prepare_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> InferenceRequest:
            request = super().prepare_tick(tick, history)
            trouble.on(number_of(tick))
            return request

    return Troubled()


def in_conclude_tick(trouble: Trouble) -> Any:
    class Troubled(Halved):
        def conclude_tick(self, tick: MarketTick, request: InferenceRequest, answer: Any) -> Any:
            trouble.on(number_of(tick))
            return super().conclude_tick(tick, request, answer)

    return Troubled()


def in_infer(trouble: Trouble) -> Any:
    class Troubled(Halved):
        def infer(self, rows: Sequence[Sequence[float]]) -> Sequence[Any]:
            if (float(BAD),) in rows:
                trouble.now()
            return super().infer(rows)

    return Troubled()


def in_an_answer_of_a_model(trouble: Trouble) -> Any:
    class Answers(list[Any]):
        def __iter__(self, *_: Any) -> Any:
            trouble.now()

        __getitem__ = __iter__  # type: ignore[assignment]

    class Troubled(Halved):
        def infer(self, rows: Sequence[Sequence[float]]) -> Sequence[Any]:
            answers = super().infer(rows)
            return Answers(answers) if (float(BAD),) in rows else answers

    return Troubled()


def in_on_bar(trouble: Trouble) -> Any:
    class Troubled(WithSnapshot):
        def on_bar(self, bar: Any) -> None:
            if bar.open == 100 + BAD - 1:  # closed by the bad tick
                self.seen += 1
                trouble.now()

    return Troubled()


def in_a_shared_indicator(trouble: Trouble) -> Any:
    class Fragile(SharedIndicator):
        def take(self, tick: MarketTick) -> None:
            trouble.on(number_of(tick))

        def held(self) -> object:
            return None

    class Troubled(WithSnapshot):
        def __init__(self) -> None:
            super().__init__()
            self.mine = Fragile()

        def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
            self.seen += 1
            self.mine.update(tick)
            return self.said(tick)

        def share_indicators(self, pool: Any) -> None:
            self.mine = pool.shared(self.mine)

    return Troubled()


def with_field(name: str, make: Callable[[Trouble, MarketTick], Any]) -> Callable[[Trouble], Any]:
    """A processor whose signal at the bad tick holds something odd in one field."""

    def create(trouble: Trouble) -> Any:
        class Troubled(WithSnapshot):
            def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
                self.seen += 1
                changes = {name: make(trouble, tick)} if number_of(tick) == BAD else {}
                return self.said(tick, **changes)

        return Troubled()

    return create


def odd(base: type, *methods: str) -> Callable[[Trouble, MarketTick], Any]:
    """An object of a class that derives from ``base``, some methods of which raise."""

    def make(trouble: Trouble, tick: MarketTick) -> Any:
        kind = type("Odd", (base,), dict.fromkeys(methods, lambda *_: trouble.now()))
        return kind("BUY") if base is str else kind(tick.last_price) if base is Decimal else kind()

    return make


def in_the_class_of_the_result(trouble: Trouble) -> Any:
    class Odd(SignalResult):
        __slots__ = ()

        def __getitem__(self, _: Any) -> Any:
            trouble.now()

        __iter__ = __len__ = __eq__ = __hash__ = __getitem__  # type: ignore[assignment]

    class Troubled(WithSnapshot):
        def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
            self.seen += 1
            said = self.said(tick)
            return tuple.__new__(Odd, tuple(said)) if number_of(tick) == BAD else said

    return Troubled()


def method(name: str) -> Callable[[Trouble], Any]:
    """A processor with one more method, or another one, that always raises."""
    return lambda trouble: type("Troubled", (WithSnapshot,), {name: trouble.now})()


def attribute(name: str, **others: Any) -> Callable[[Trouble], Any]:
    """A processor with a property that always raises."""

    def create(trouble: Trouble) -> Any:
        named = {name: property(trouble.now)}
        return type("Troubled", (WithSnapshot,), {**named, **others})()

    return create


def in_warmup(trouble: Trouble) -> Any:
    class Troubled(Steady):
        def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
            return self.said(tick, reasoning=None)

        def warmup(self, history: Sequence[MarketTick]) -> None:
            trouble.now()

    return Troubled()


def in_held(trouble: Trouble) -> Any:
    class Unheld(SharedIndicator):
        def take(self, tick: MarketTick) -> None: ...

        def held(self) -> object:
            return trouble.now()

    class Troubled(WithSnapshot):
        def share_indicators(self, pool: Any) -> None:
            pool.shared(Unheld())

    return Troubled()


def without(_: Trouble) -> Any:
    return WithSnapshot()


# Validators: they let pass everything, and raise in one place.


class Lenient:
    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble

    def validate_signal(self, signal: SignalResult, tick: MarketTick) -> Any:
        return None

    def validate_configuration(self, config: Any) -> Any:
        return True


class RaisesOnASignal(Lenient):
    def validate_signal(self, signal: SignalResult, tick: MarketTick) -> Any:
        self.trouble.on(number_of(tick))


class OddViolation(Lenient):
    def validate_signal(self, signal: SignalResult, tick: MarketTick) -> Any:
        trouble = self.trouble

        class Odd(Violation):
            def __getattribute__(self, name: str) -> Any:
                return trouble.now() if name == "reason" else super().__getattribute__(name)

        is_bad = number_of(tick) == BAD
        return Odd(code=RejectionCode.INVALID_SIGNAL, reason="") if is_bad else None


class OddTruth(Lenient):
    def validate_signal(self, signal: SignalResult, tick: MarketTick) -> Any:
        truth = type("bool", (), {"__module__": "numpy", "__bool__": self.trouble.now})
        return truth() if number_of(tick) == BAD else True


class RaisesOnAConfiguration(Lenient):
    def validate_configuration(self, config: Any) -> Any:
        self.trouble.now()


class Case(NamedTuple):
    """Where users' code raises, and what that costs."""

    create: Callable[[Trouble], Any] = without
    validator: Callable[[Trouble], Any] = Lenient
    fails: bool = False
    """The bad tick is lost, and counted as a failure."""
    is_refused: bool = False
    """The signal of the bad tick is a rejection."""
    is_disabled: bool = False
    """The strategy does not start."""


def raises(trouble: Trouble) -> Any:
    trouble.now()


CASES: dict[str, Case] = {
    "process_tick": Case(in_process_tick, fails=True),
    "prepare_tick": Case(in_prepare_tick, fails=True),
    "conclude_tick": Case(in_conclude_tick, fails=True),
    "infer": Case(in_infer, fails=True),
    "answer of infer": Case(in_an_answer_of_a_model, fails=True),
    "on_bar": Case(in_on_bar, fails=True),
    "take": Case(in_a_shared_indicator, fails=True),
    "validate_signal": Case(validator=RaisesOnASignal, fails=True),
    "violation": Case(validator=OddViolation, fails=True),
    "truth of an answer": Case(validator=OddTruth, fails=True),
    "price": Case(with_field("price", odd(object, "__repr__")), fails=True),
    "price compared": Case(with_field("price", odd(Decimal, "__eq__", "__hash__", "__repr__"))),
    "signal type": Case(with_field("signal_type", odd(str, "__eq__", "__hash__", "__str__"))),
    "confidence": Case(
        with_field("confidence", odd(object, "__float__", "__le__", "__ge__", "__repr__")),
        is_refused=True,
    ),
    "quantity": Case(with_field("quantity", odd(object, "__index__", "__lt__")), is_refused=True),
    "reasoning": Case(with_field("reasoning", odd(str, "__len__", "encode")), is_refused=True),
    "result": Case(in_the_class_of_the_result),
    "create_processor": Case(raises, is_disabled=True),
    "create_validator": Case(validator=raises, is_disabled=True),
    "validate_configuration": Case(validator=RaisesOnAConfiguration, is_disabled=True),
    "load_model": Case(method("load_model"), is_disabled=True),
    "failure_reason": Case(
        attribute("failure_reason", load_model=lambda _: False), is_disabled=True
    ),
    "history_size": Case(attribute("history_size"), is_disabled=True),
    "warmup_ticks": Case(attribute("warmup_ticks"), is_disabled=True),
    "model_digest": Case(attribute("model_digest")),
    "warmup": Case(in_warmup),
    "snapshot": Case(method("snapshot")),
    "restore": Case(method("restore")),
    "share_indicators": Case(method("share_indicators")),
    "held": Case(in_held),
    "shutdown": Case(method("shutdown")),
}


def create_troubled(parameters: dict[str, Any]) -> Any:
    return CASES[parameters["where"]].create(Trouble(parameters["error"]))


def create_validator(parameters: dict[str, Any]) -> Any:
    return CASES[parameters["where"]].validator(Trouble(parameters["error"]))


def create_steady(_: dict[str, Any]) -> Any:
    return WithSnapshot()


HERE = "tests.contracts.test_user_code_is_contained"
SETTINGS = Settings(
    _env_file=None,
    processors={
        "steady": f"{HERE}.create_steady",
        "troubled": f"{HERE}.create_troubled",
        "unimportable": "tests.contracts.unimportable.create",
    },
    validators={"lenient": f"{HERE}.create_validator"},
)
LIFE = [
    MarketTick(1001, START_US + n * 1_000_000, (100 + n) * 10**8, 1, n + 1, 0) for n in range(TICKS)
]


def steady(number: int) -> StrategyConfig:
    return StrategyConfig(
        id=UUID(int=number), strategy_type="steady", instruments=(1001,), active_brokers=()
    )


def troubled(where: str, error: str) -> StrategyConfig:
    return StrategyConfig(
        id=id_of(error),
        strategy_type="troubled",
        validator_type="lenient",
        parameters={"where": where, "error": error, "bar_seconds": 1},
        instruments=(1001,),
        active_brokers=(),
    )


def id_of(error: str) -> UUID:
    return UUID(int=2 + list(ERRORS).index(error))


class Outcome(NamedTuple):
    signals: list[TradingSignal]
    rejections: list[Rejection]
    observer: Observer

    def ticks_of(self, strategy_id: UUID) -> list[int]:
        """The offsets at which a strategy emitted a signal."""
        return [one.tick_offset for one in self.signals if one.strategy_id == str(strategy_id)]


def live(*configs: StrategyConfig) -> Outcome:
    """One tick at a time, a checkpoint behind each, and one restart."""
    observer, said, kept = Observer(), list[TradingSignal | Rejection](), dict[int, Any]()

    def start() -> StrategyRunner:
        runner = StrategyRunner(
            configs=configs,
            factory=build_factory(SETTINGS),
            telemetry=observer,
            status=observer,
        )
        runner.start()
        return runner

    runner = start()
    partition = runner.partition(topic_id="T", partition=0)
    for offset, tick in enumerate(LIFE):
        if offset == RESTART_AFTER:
            runner.stop()
            runner = start()
            partition = runner.partition(topic_id="T", partition=0)
            restore(partition, kept.values(), dict(enumerate(LIFE)))
        said += partition.process(tick, offset)
        kept.update({one.instrument_token: one for one in partition.changed_records()})
    runner.stop()
    return Outcome(
        [one for one in said if isinstance(one, TradingSignal)],
        [one for one in said if isinstance(one, Rejection)],
        observer,
    )


class Listener:
    def __init__(self) -> None:
        self.said: list[TradingSignal] = []
        self.refused: list[Rejection] = []

    def ticks(self, columns: Any, /) -> None: ...

    def unusable_record(self, record: Any, /) -> None: ...

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        self.said += signals

    def events(self, events: Sequence[Any], /) -> None:
        self.refused += [event for event in events if isinstance(event, Rejection)]


def backtest(*configs: StrategyConfig) -> Outcome:
    listener = Listener()
    source = FileTicks("life", lambda: LIFE)
    with wired_replay(SETTINGS, source, configs, [listener]) as wired:
        assert wired.replay.run().is_complete
    # A replay calls its topic by the ticks in it; here it is the one of the live run.
    signals = [one._replace(tick_topic_id="T") for one in listener.said]
    return Outcome(signals, listener.refused, wired.observer)


@pytest.fixture
def a_worker_owns_sigint() -> Iterator[None]:
    """As in a worker, whose event loop takes the signal."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("a_worker_owns_sigint")
@pytest.mark.parametrize("where", CASES)
def test_it_costs_its_own_strategy_and_is_the_same_in_a_backtest(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    case = CASES[where]
    first, last = steady(1), steady(99)
    configs = (first, *(troubled(where, error) for error in ERRORS), last)
    whole = list(range(TICKS))
    expected = whole
    if case.is_disabled:
        expected = []
    elif case.fails or case.is_refused:
        expected = [n for n in whole if n != BAD]
    runs = live(*configs), backtest(*configs)
    for run in runs:
        for neighbour in (first, last):
            said = [s for s in run.signals if s.strategy_id == neighbour.strategy_id]
            assert [(s.tick_offset, s.reasoning) for s in said] == [(n, f"{n + 1}") for n in whole]
        assert {error: run.ticks_of(id_of(error)) for error in ERRORS} == dict.fromkeys(
            ERRORS, expected
        )
        assert run.observer.failures["troubled"] == (len(ERRORS) if case.fails else 0)
        refused = [(one.strategy_id, one.tick_offset) for one in run.rejections]
        assert refused == [(str(id_of(e)), BAD) for e in ERRORS if case.is_refused]
        assert {(one.strategy_id, str(one.state)) for one in run.observer.stopped} == {
            (id_of(error), "disabled") for error in ERRORS if case.is_disabled
        }
    assert _without_ids(runs[0]) == _without_ids(runs[1])
    if case.fails:
        named = [one.exc_info[0] for one in caplog.records if one.exc_info]
        assert set(named) >= {type(make()) for make in ERRORS.values()} - {UnspeakableError}


def _without_ids(run: Outcome) -> list[bytes]:
    """The bytes; ids are made of the topic's id, which a replay of a file has of its own."""
    return [
        *(CODECS.signals.encode(one._replace(signal_id="x")) for one in run.signals),
        *(f"{one.tick_offset} {one.code} {one.reason}".encode() for one in run.rejections),
    ]


@pytest.mark.parametrize("where", [w for w, case in CASES.items() if case.fails])
def test_a_ctrl_c_is_raised_on(where: str) -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        backtest(troubled(where, "interrupt"))


@pytest.mark.usefixtures("a_worker_owns_sigint")
@pytest.mark.parametrize("error", ["exit", "panic", "interrupt", "cancelled", "unspeakable"])
def test_a_module_that_raises_when_it_is_imported(
    error: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / f"raising_{error}"
    package.mkdir()
    text = f"from {HERE} import ERRORS\nraise ERRORS[{error!r}]()\n"
    (package / "__init__.py").write_text(text)
    (package / "strategy.py").write_text("")
    settings = Settings(
        _env_file=None,
        strategies_path=str(tmp_path),
        processors={"unimportable": f"raising_{error}.strategy.create"},
    )
    monkeypatch.syspath_prepend(tmp_path)
    runner = StrategyRunner(
        configs=[StrategyConfig(id=UUID(int=1), strategy_type="unimportable", instruments=(1001,))],
        factory=build_factory(settings),
    )
    (disabled,) = runner.start().disabled
    assert disabled.reason.startswith(f"raising_{error}.strategy.create cannot be imported: ")
