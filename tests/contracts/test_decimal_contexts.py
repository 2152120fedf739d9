"""What a strategy or validator does to the decimal context changes no price but its own.

The same strategies run live, with a checkpoint behind every tick and one restart, and in a
backtest, here and in two processes.
"""

import decimal
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, Inexact, getcontext, localcontext, setcontext
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from algo_panda.bootstrap import build_factory
from algo_panda.bootstrap.replay import wired_replay
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.sharing import SharedIndicator
from algo_panda.domain.signals import SignalResult, SignalType, TradingSignal
from algo_panda.domain.trading import RejectionCode, Violation
from algo_panda.replay.files import FileTicks
from algo_panda.settings import Settings
from tests.contracts import test_user_code_is_contained as contained

HERE = "tests.contracts.test_decimal_contexts"
TICKS = 6
TOKENS = (1001, 1002)
PRICE = 1_234_567_000_000  # 12345.67
EXACT = "12358.01567"
"""12345.67 * 1.001, by hand."""
THIRD = "0." + 28 * "3"
"""1 / 3 in Python's own precision."""
SIX_DIGITS = ("12358", "0.333333")


def precision() -> None:
    getcontext().prec = 4


def trap() -> None:
    getcontext().traps[Inexact] = True


def another_context() -> None:
    setcontext(Context(prec=3, capitals=0, traps=[Inexact]))


SPOILERS: dict[str, Callable[[], None]] = {
    "precision": precision,
    "trap": trap,
    "another context": another_context,
}


def signal(tick: MarketTick, **changes: Any) -> SignalResult:
    """Say what the current context makes of a multiplication and of a division."""
    fields = {"reasoning": str(Decimal(1) / 3), **changes}
    return SignalResult(SignalType.BUY, 0.5, 1, tick.last_price * Decimal("1.001"), **fields)


class Neighbour:
    history_size = 0

    def __init__(self) -> None:
        self.seen = 0

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
        self.seen += 1
        return signal(tick)

    def snapshot(self) -> bytes:
        return str(Decimal(self.seen) / 3).encode()

    def restore(self, state: bytes) -> None:
        self.seen = round(Decimal(state.decode()) * 3)


class Indicator(SharedIndicator):
    """Holds the rounded sum of prices."""

    def __init__(self, spoil: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.sum = Decimal(0)
        self.spoil = spoil

    def take(self, tick: MarketTick) -> None:
        self.spoil()
        with localcontext() as context:
            context.traps[Inexact] = False
            self.sum += tick.last_price * Decimal("1.001")

    def held(self) -> object:
        return self.sum


class Spoils(Neighbour):
    """Spoils the context wherever it is asked to, and emits nothing."""

    def __init__(self, where: str, spoil: Callable[[], None]) -> None:
        super().__init__()
        self.where, self.spoil = where, spoil
        self.indicator = Indicator(lambda: self.at("take"))
        self.at("constructor")
        if where == "warmup":  # it is called with a restart only if there is no snapshot
            self.warmup_ticks = 1
            self.warmup = lambda _history: self.at("warmup")
            self.snapshot = self.restore = None  # type: ignore[assignment]

    def at(self, where: str) -> None:
        if where == self.where:
            self.spoil()

    @property
    def model_digest(self) -> str:
        self.at("model_digest")
        return "x"

    def load_model(self) -> bool:
        self.at("load_model")
        return True

    def share_indicators(self, pool: Any) -> None:
        self.at("share_indicators")
        self.indicator = pool.shared(self.indicator)

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
        request = self.prepare_tick(tick, history)
        return self.conclude_tick(tick, request, self.infer([request.row])[0])

    def prepare_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> InferenceRequest:
        self.at("process_tick")
        self.indicator.update(tick)
        return InferenceRequest(self, (1.0,), None)

    def infer(self, rows: Sequence[Sequence[float]]) -> Sequence[Any]:
        self.at("infer")
        return [1.0] * len(rows)

    def conclude_tick(self, tick: MarketTick, request: InferenceRequest, answer: Any) -> Any:
        self.at("conclude_tick")
        if self.where.startswith("valid"):
            return SignalResult(SignalType.BUY, 0.5, 1, tick.last_price)
        return None

    def snapshot(self) -> bytes:
        self.at("snapshot")
        return b"1"

    def restore(self, state: bytes) -> None:
        self.at("restore")

    def shutdown(self) -> None:
        self.at("shutdown")


class SpoilsBars(Neighbour):
    def __init__(self, spoil: Callable[[], None]) -> None:
        super().__init__()
        self.spoil = spoil

    def on_bar(self, bar: Any) -> None:
        self.spoil()

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
        return None


class Validator:
    def __init__(self, where: str, spoil: Callable[[], None]) -> None:
        self.where, self.spoil = where, spoil
        self.at("validator")

    def at(self, where: str) -> None:
        if where == self.where:
            self.spoil()

    def validate_signal(self, said: SignalResult, tick: MarketTick) -> Any:
        self.at("validate_signal")
        return Violation(code=RejectionCode.INVALID_SIGNAL, reason="")

    def validate_configuration(self, _parameters: Any) -> Any:
        self.at("validate_configuration")
        return True


PLACES = (
    "factory",
    "constructor",
    "load_model",
    "model_digest",
    "share_indicators",
    "take",
    "process_tick",
    "infer",
    "conclude_tick",
    "on_bar",
    "snapshot",
    "restore",
    "warmup",
    "shutdown",
    "validator",
    "validate_configuration",
    "validate_signal",
)


def create_neighbour(_: dict[str, Any]) -> Any:
    return Neighbour()


def create_spoiling(parameters: dict[str, Any]) -> Any:
    where, spoil = parameters["where"], SPOILERS[parameters["how"]]
    if where == "on_bar":
        return SpoilsBars(spoil)
    made = Spoils(where, spoil)
    made.at("factory")
    return made


def create_spoiling_validator(parameters: dict[str, Any]) -> Any:
    return Validator(parameters["where"], SPOILERS[parameters["how"]])


class SixDigits(Neighbour):
    """Sets its precision once, as the documentation says."""

    def __init__(self, *, replaces: bool) -> None:
        super().__init__()
        if replaces:
            setcontext(Context(prec=6))
        else:
            getcontext().prec = 6


class Divided(SixDigits):
    """Its answers of a model, and its shared indicator, are of its own precision."""

    def __init__(self, precision: int) -> None:
        Neighbour.__init__(self)
        getcontext().prec = precision
        self.indicator = Indicator()

    def share_indicators(self, pool: Any) -> None:
        self.indicator = pool.shared(self.indicator)

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
        request = self.prepare_tick(tick, history)
        return self.conclude_tick(tick, request, MODEL.infer([request.row])[0])

    def prepare_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> InferenceRequest:
        self.indicator.update(tick)
        return InferenceRequest(MODEL, ROW, None)

    def conclude_tick(self, tick: MarketTick, request: InferenceRequest, answer: Any) -> Any:
        return signal(tick, reasoning=f"{answer} {self.indicator.sum}")

    def snapshot(self) -> bytes:
        return str(self.indicator.sum).encode()

    def restore(self, state: bytes) -> None:
        self.indicator.sum = Decimal(state.decode())


class Thirds:
    """A model that all share."""

    def infer(self, rows: Sequence[Sequence[float]]) -> Sequence[Any]:
        return [str(Decimal(1) / 3) for _ in rows]


MODEL, ROW = Thirds(), (1.0,)


class Late(Neighbour):
    """Sets its precision at its third tick, on one of its instruments only."""

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> Any:
        self.seen += 1
        if self.seen == 3 and tick.instrument_token == TOKENS[0]:
            getcontext().prec = 6
        return signal(tick)


class SixDigitValidator:
    """Its precision is its own, too, and lasts."""

    def __init__(self) -> None:
        getcontext().prec = 6

    def validate_signal(self, said: SignalResult, tick: MarketTick) -> Any:
        return Violation(code=RejectionCode.INVALID_SIGNAL, reason=str(Decimal(1) / 3))

    def validate_configuration(self, _parameters: Any) -> Any:
        return True


SETTINGS = Settings(
    _env_file=None,
    processors={
        name: f"{HERE}.create_{name}"
        for name in ("neighbour", "spoiling", "six", "divided", "late")
    },
    validators={
        "spoiling": f"{HERE}.create_spoiling_validator",
        "six": f"{HERE}.create_six_validator",
    },
)


def create_six(parameters: dict[str, Any]) -> Any:
    return SixDigits(replaces=parameters["replaces"])


def create_six_validator(_: dict[str, Any]) -> Any:
    return SixDigitValidator()


def create_divided(parameters: dict[str, Any]) -> Any:
    return Divided(parameters["precision"])


def create_late(_: dict[str, Any]) -> Any:
    return Late()


LIFE = [
    MarketTick(token, contained.START_US + n * 1_000_000, PRICE, 1, n + 1, 0)
    for n in range(TICKS)
    for token in TOKENS
]


@pytest.fixture(autouse=True)
def _these_strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contained, "SETTINGS", SETTINGS)
    monkeypatch.setattr(contained, "LIFE", LIFE)


def strategy(
    number: int, kind: str, validator: str | None = None, **parameters: Any
) -> StrategyConfig:
    return StrategyConfig(
        id=UUID(int=number),
        strategy_type=kind,
        validator_type=validator,
        parameters=parameters,
        instruments=TOKENS,
        active_brokers=(),
    )


def said(signals: Sequence[TradingSignal], number: int) -> list[tuple[str, str]]:
    mine = [one for one in signals if one.strategy_id == str(UUID(int=number))]
    return [(str(one.price), str(one.reasoning)) for one in mine]


def in_two_processes(*configs: StrategyConfig) -> contained.Outcome:
    listener = contained.Listener()
    source = FileTicks("life", lambda: LIFE)
    with wired_replay(SETTINGS, source, configs, [listener], jobs=2) as wired:
        assert wired.replay.run().is_complete
    return contained.Outcome(listener.said, listener.refused, wired.observer)


@pytest.mark.parametrize("where", PLACES)
def test_neighbours_keep_their_prices(where: str) -> None:
    spoiling = [
        strategy(2 + n, "spoiling", "spoiling", where=where, how=how, bar_seconds=1)
        for n, how in enumerate(SPOILERS)
    ]
    configs = (strategy(1, "neighbour"), *spoiling, strategy(99, "neighbour"))
    before = getcontext()
    kept = repr(before)
    for run in (contained.live(*configs), contained.backtest(*configs)):
        assert said(run.signals, 1) == said(run.signals, 99) == [(EXACT, THIRD)] * len(LIFE)
        assert not run.observer.stopped
        assert not run.observer.failures["neighbour"]
        assert getcontext() is before
        assert repr(before) == kept


def test_a_precision_of_its_own_lasts_and_is_the_same_everywhere() -> None:
    configs = (
        strategy(1, "neighbour"),
        strategy(2, "six", replaces=False),
        strategy(3, "six", replaces=True),
        strategy(4, "neighbour", "six"),
        strategy(5, "neighbour"),
    )
    runs = [contained.live(*configs), contained.backtest(*configs), in_two_processes(*configs)]
    with localcontext(prec=3) as mine:  # of the caller: it decides nothing
        mine.traps[Inexact] = True
        runs += [contained.live(*configs), contained.backtest(*configs)]
    for run in runs:
        for number, expected in ((1, (EXACT, THIRD)), (2, SIX_DIGITS), (3, SIX_DIGITS)):
            assert said(run.signals, number) == [expected] * len(LIFE)
        assert said(run.signals, 5) == [(EXACT, THIRD)] * len(LIFE)
        assert [one.reason for one in run.rejections] == ["0.333333"] * len(LIFE)


def test_models_and_indicators_that_are_shared_compute_as_those_who_use_them() -> None:
    configs = [strategy(number, "divided", precision=number) for number in (6, 28, 7)]
    # The sum of n prices, rounded to six digits each time: 12358.0, 24716.0 + ...
    sums = {6: "74148.0", 7: "74148.12", 28: "74148.09402"}
    answers = {6: "0.333333", 7: "0.3333333", 28: THIRD}
    for run in (contained.live(*configs), contained.backtest(*configs)):
        for number, total in sums.items():
            assert said(run.signals, number)[-1][1] == f"{answers[number]} {total}"


def test_what_is_set_at_a_tick_is_of_that_instrument_alone() -> None:
    late, neighbour = strategy(1, "late"), strategy(2, "neighbour")
    run = contained.backtest(late, neighbour)
    by_token = {
        token: [
            str(one.price)
            for one in run.signals
            if one.instrument_token == token and one.strategy_id == late.strategy_id
        ]
        for token in TOKENS
    }
    assert by_token == {TOKENS[0]: [EXACT] * 2 + ["12358"] * 4, TOKENS[1]: [EXACT] * TICKS}
    assert said(run.signals, 2) == [(EXACT, THIRD)] * len(LIFE)


def test_what_a_module_sets_when_it_is_imported_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets_at_import.py").write_text(
        "import decimal\n"
        "decimal.getcontext().prec = 4\n"
        "decimal.DefaultContext.prec = 5\n"
        f"from {HERE} import create_neighbour, create_six_validator\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(decimal.DefaultContext, "prec", 28)  # and it is 28 again afterwards
    settings = Settings(_env_file=None, processors={"own": "sets_at_import.create_neighbour"})
    monkeypatch.setattr(contained, "SETTINGS", settings)
    before = getcontext().prec
    run = contained.backtest(strategy(1, "own"))
    assert said(run.signals, 1) == [(EXACT, THIRD)] * len(LIFE)
    assert getcontext().prec == before


def test_without_a_runner_the_context_of_the_script_is_neither_used_nor_changed() -> None:
    factory = build_factory(SETTINGS)
    tick = LIFE[0]
    with localcontext(prec=3) as mine:
        executor = factory.create_strategy("x", "six", {"replaces": False}, [], TOKENS)
        result: Any = executor.process_tick(tick, ())
        assert (str(result.price), result.reasoning) == ("12358.0", SIX_DIGITS[1])
        assert getcontext() is mine
        assert mine.prec == 3
