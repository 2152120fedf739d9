"""Custom strategies of the golden fixtures. They never change: fixtures hold their state."""

try:
    from algo_panda import SignalResult, SignalType
except ModuleNotFoundError:  # version e821f28, whose package was named app
    from app import SignalResult, SignalType


class Counter:
    """Signals on every seventh tick. Without a snapshot: rebuilt from recorded ticks and bars."""

    history_size = 0

    def __init__(self):
        self.ticks = 0
        self.bars = 0
        self.close = None

    def on_bar(self, bar):
        self.bars += 1
        self.close = bar.close

    def process_tick(self, tick, history):
        self.ticks += 1
        if self.ticks % 7:
            return None
        return SignalResult(
            signal_type=SignalType.BUY if self.ticks % 2 else SignalType.SELL,
            confidence=0.5,
            quantity=3,
            price=tick.last_price,
            reasoning=f"tick {self.ticks}, bar {self.bars} closed at {self.close}",
        )


class Breakout:
    """Buys above all of the last ticks. Keeps nothing itself: the history is the runner's."""

    warmup_ticks = 0

    def __init__(self, lookback):
        self.history_size = lookback

    def process_tick(self, tick, history):
        if len(history) < self.history_size:
            return None
        highest = max(past.last_price for past in history)
        if tick.last_price <= highest:
            return None
        return SignalResult(
            signal_type=SignalType.BUY,
            confidence=60,
            quantity=2,
            price=tick.last_price,
            reasoning=f"above {highest}",
        )


class Failing:
    """Fails on every tick, so it is quarantined."""

    def process_tick(self, tick, history):
        raise ArithmeticError("no number for this tick")


class Unloadable:
    """Has a model that cannot be loaded, so it is disabled."""

    failure_reason = "the model is missing"

    def load_model(self):
        return False

    def process_tick(self, tick, history):
        return None


def create_counter(config, context):
    return Counter()


def create_breakout(config, context):
    return Breakout(**config.processor_parameters)


def create_failing(config, context):
    return Failing()


def create_unloadable(config, context):
    return Unloadable()
