"""Strategies and validators that do everything they may, and much that they must not.

What they do on a tick follows from the tick and from all that they were given before, so that a
tick too many, too few or in another place changes what they emit.
"""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.sharing import IndicatorPool, SharedIndicator
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import RejectionCode, Violation

HERE = __name__
PROCESSORS = {
    f"unit_{name}": f"{HERE}.create_{name}"
    for name in (
        "kept", "unbounded", "bounded", "warm", "halved", "sharing", "forgetful", "absent", "plain",
        "sharing_bars",
    )
}  # fmt: skip
VALIDATORS = {"unit_lenient": f"{HERE}.Lenient", "unit_choosy": f"{HERE}.create_choosy"}
ABSENT_TOKEN = 1003
"""The instrument on which ``unit_absent`` cannot start."""


class Panic(BaseException):
    """Derives from BaseException, as that of PyO3 does."""


ERRORS = (
    lambda: RuntimeError("failure"),
    lambda: Panic("index out of bounds"),
    lambda: SystemExit(0),
    GeneratorExit,
    StopIteration,
    MemoryError,
)
ODD: tuple[dict[str, Any], ...] = (
    {"price": 100.123},
    {"price": 100.5},
    {"price": 100},
    {"price": Decimal("100.123456789")},
    {"price": Decimal("NaN")},
    {"price": Decimal(-1)},
    {"price": Decimal(10**11)},
    {"price": None},
    {"confidence": float("nan")},
    {"confidence": 200.0},
    {"confidence": 1},
    {"quantity": -1},
    {"quantity": 0},
    {"quantity": 2**70},
    {"quantity": 1.5},
    {"quantity": 20_000},
    {"signal_type": "HODL"},
    {"reasoning": "x" * 10_001},
    {"reasoning": "\ud800"},
    {"reasoning": 7},
    {"reasoning": None},
)


def _fail(number: int) -> NoReturn:
    make: Callable[[], BaseException] = ERRORS[number % len(ERRORS)]
    raise make()


class Scripted:
    """Takes a part of every tick, of its history and of its bars into a number."""

    history_size = 3

    def __init__(self, *, mood: int = 0, burst: int = 0) -> None:
        self.mood = mood
        self.burst = burst
        """Of every 40 ticks, so many in a row fail."""
        self.seen = 0
        self.sum = 0

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick], /) -> Any:
        self.take(tick, history)
        return self.answer(tick, self.seen, self.sum)

    def take(self, tick: MarketTick, history: Sequence[MarketTick]) -> None:
        self.seen += 1
        self.stir(tick.price_raw, tick.received_time_us, *(past.price_raw for past in history))
        if self.seen % 40 < self.burst:
            _fail(self.sum)

    def answer(self, tick: MarketTick, seen: int, number: int) -> Any:
        match (number + self.mood) % 16:
            case 0 | 1 | 2:
                return None
            case 3:
                _fail(number)
            case 4:
                return "BUY"
            case 5 | 6 | 7:
                return self.signal(tick, seen, number)._replace(**ODD[number // 16 % len(ODD)])
            case 8:
                return self.signal(tick, seen, number)._replace(price=tick.last_price * 2)
            case _:
                return self.signal(tick, seen, number)

    def signal(self, tick: MarketTick, seen: int, number: int) -> SignalResult:
        kind = ("buy", "SELL", "HOLD")[number % 3]
        confidence = (number % 101) if number % 2 else (number % 101) / 100
        reasoning = f"{seen} ticks give {number}"
        return SignalResult(kind, confidence, number % 4 + 1, tick.last_price, reasoning)

    def stir(self, *numbers: int) -> None:
        for number in numbers:
            self.sum = (self.sum * 31 + number) % 1_000_003


class OnBars(Scripted):
    """The same with bars."""

    def on_bar(self, bar: Bar, /) -> None:
        self.stir(int(bar.open * 100), int(bar.close * 100), int(bar.high - bar.low))
        self.stir(bar.volume, bar.tick_count, int(bar.start.timestamp()))
        if self.sum % 17 == 0:
            raise Panic("bar")


class Kept(OnBars):
    """With a snapshot."""

    def snapshot(self) -> bytes:
        return json.dumps([self.seen, self.sum]).encode()

    def restore(self, state: bytes, /) -> None:
        self.seen, self.sum = json.loads(state)


class Forgetful(Kept):
    """Its snapshot fails at times, and does not fit at others."""

    def snapshot(self) -> bytes:
        if self.sum % 3 == 0:
            raise Panic("no state")
        return super().snapshot()

    def restore(self, state: bytes, /) -> None:
        super().restore(state)
        if self.sum % 2 == 0:
            raise ValueError("of another version")


class Bounded(OnBars):
    """Knows its last ticks alone, and has no snapshot."""

    warmup_ticks = 20

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.last: list[list[int]] = []
        self.closed = 0

    def on_bar(self, bar: Bar, /) -> None:
        self.closed = bar.tick_count * 7 + int(bar.open)

    def take(self, tick: MarketTick, history: Sequence[MarketTick]) -> None:
        now = [tick.price_raw, *(past.price_raw for past in history), self.closed]
        self.last, self.closed = [*self.last, now][-self.warmup_ticks :], 0
        self.seen, self.sum = len(self.last), 0
        for numbers in self.last:
            self.stir(*numbers)


class Warm(Scripted):
    """Knows its history alone, by ``warmup`` after a restart."""

    history_size = 5

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.prices: list[int] = []

    def warmup(self, history: Sequence[MarketTick], /) -> None:
        self.prices = [tick.price_raw for tick in history][-4:]

    def take(self, tick: MarketTick, history: Sequence[MarketTick]) -> None:
        self.prices = [*self.prices, tick.price_raw][-4:]
        self.seen, self.sum = len(self.prices), 0
        self.stir(*self.prices)


class Model:
    """Doubles, and cannot answer some rows."""

    def infer(self, rows: Sequence[Sequence[float]], /) -> Sequence[float]:
        if any(row[0] % 13 == 0 for row in rows):
            raise Panic("model")
        return [row[0] * 2 for row in rows]


class Halved(Scripted):
    """Asks a model, so that ticks of a batch are asked about together."""

    history_size = 0
    model_digest = "d1" * 32
    model = Model()

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick], /) -> Any:
        request = self.prepare_tick(tick, history)
        if not isinstance(request, InferenceRequest):
            return request
        return self.conclude_tick(tick, request, self.model.infer([request.row])[0])

    def prepare_tick(self, tick: MarketTick, history: Sequence[MarketTick], /) -> Any:
        self.take(tick, history)
        if self.sum % 5 == 0:
            return self.answer(tick, self.seen, self.sum)
        return InferenceRequest(self.model, (float(self.sum),), (self.seen, self.sum))

    def conclude_tick(self, tick: MarketTick, request: InferenceRequest, answer: Any, /) -> Any:
        seen, number = request.about
        return self.answer(tick, seen, number + int(answer))

    def snapshot(self) -> bytes:
        return json.dumps([self.seen, self.sum]).encode()

    def restore(self, state: bytes, /) -> None:
        self.seen, self.sum = json.loads(state)


class Total(SharedIndicator):
    """Has all prices so far in a number; fails at times."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def take(self, tick: MarketTick) -> None:
        self.number = (self.number * 31 + tick.price_raw) % 1_000_003
        if self.number % 11 == 0:
            raise Panic("indicator")

    def held(self) -> object:
        return self.number


class Sharing(Scripted):
    """Has an indicator that others may use as well."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.total = Total()

    def take(self, tick: MarketTick, history: Sequence[MarketTick]) -> None:
        self.total.update(tick)
        self.stir(self.total.number)
        super().take(tick, history)

    def share_indicators(self, pool: IndicatorPool, /) -> None:
        self.total = pool.shared(self.total)

    def snapshot(self) -> bytes:
        return json.dumps([self.seen, self.sum, self.total.number]).encode()

    def restore(self, state: bytes, /) -> None:
        self.seen, self.sum, self.total.number = json.loads(state)


class SharingBars(OnBars, Sharing):
    """The same with bars: a tick that is lost to one does not reach the indicator."""


class Absent(Kept):
    """Has a model, and cannot load it on one instrument."""

    def __init__(self, token: int, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.token = token

    def load_model(self) -> bool:
        return self.token != ABSENT_TOKEN


class Plain(Scripted):
    """Keeps nothing, and says so."""

    warmup_ticks = 0

    def take(self, tick: MarketTick, history: Sequence[MarketTick]) -> None:
        self.seen, self.sum = len(history), 0
        self.stir(tick.price_raw, *(past.price_raw for past in history))


def _own(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in ("mood", "burst") if name in parameters}


def create_kept(parameters: dict[str, Any]) -> Kept:
    return Kept(**_own(parameters))


def create_unbounded(parameters: dict[str, Any]) -> OnBars:
    return OnBars(**_own(parameters))


def create_bounded(config: StrategyConfig, _context: ExecutionContext) -> Bounded:
    return Bounded(**_own(config.processor_parameters))


def create_warm(parameters: dict[str, Any]) -> Warm:
    return Warm(**_own(parameters))


def create_halved(parameters: dict[str, Any]) -> Halved:
    return Halved(**_own(parameters))


def create_sharing(parameters: dict[str, Any]) -> Sharing:
    return Sharing(**_own(parameters))


def create_sharing_bars(parameters: dict[str, Any]) -> SharingBars:
    return SharingBars(**_own(parameters))


def create_forgetful(parameters: dict[str, Any]) -> Forgetful:
    return Forgetful(**_own(parameters))


def create_absent(config: StrategyConfig, context: ExecutionContext) -> Absent:
    return Absent(context.instrument_token, **_own(config.processor_parameters))


def create_plain(parameters: dict[str, Any]) -> Plain:
    return Plain(**_own(parameters))


class Lenient:
    """Lets everything pass."""

    def __init__(self, parameters: dict[str, Any]) -> None: ...

    def validate_signal(self, _signal: SignalResult, _tick: MarketTick) -> Any:
        return None

    def validate_configuration(self, _parameters: dict[str, Any]) -> bool:
        return True


class Choosy(Lenient):
    """Answers in every way that there is."""

    def validate_signal(self, signal: SignalResult, tick: MarketTick) -> Any:
        match tick.price_raw // 10**6 % 9:
            case 0:
                return False
            case 1:
                code = RejectionCode.NOTIONAL_EXCEEDS_MAXIMUM
                return Violation(code=code, reason=f"price {tick.last_price}\0" + "!" * 600)
            case 2:
                own: Any = "TOO_LATE"
                return Violation(code=own, reason="a code of its own")
            case 3:
                raise Panic("validator")
            case 4:
                return "no"
            case 5:
                return None
            case _:
                return True


def create_choosy(config: StrategyConfig) -> Choosy:
    return Choosy(dict(config.parameters))
