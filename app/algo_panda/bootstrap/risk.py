"""Wires risk: signals and executions in, orders and rejections out."""

import contextlib
from collections.abc import Mapping

from algo_panda.bootstrap.wiring import Program, Wiring, now_us, time_to_live
from algo_panda.domain.time_to_live import TimeToLive
from algo_panda.risk.checks import RiskLimits
from algo_panda.risk.engine import RiskEngine
from algo_panda.risk.strategy_limits import StrategyLimits
from algo_panda.settings import Settings
from algo_panda.streaming.activation_log import ActivationLog
from algo_panda.streaming.control import PinnedStates
from algo_panda.streaming.operator import BatchClock, PartitionOperator, StreamSpec
from algo_panda.streaming.operators.risk import RiskOperator
from algo_panda.streaming.state_codec import RISK_CHANGELOG, RiskStateCodec
from algo_panda.wire.catalogue import load_catalogue


def _wire(wiring: Wiring, stack: contextlib.ExitStack) -> StreamSpec:
    settings = wiring.settings
    trading_states, clock = wiring.trading_states(stack), BatchClock(now_us)
    limits = risk_limits(settings, time_to_live(settings))
    activations = ActivationLog(
        wiring.connection, wiring.on_broker("activations"), wiring.codecs.activations.decode
    )
    strategy_limits = StrategyLimits(activations.read_new)
    states = RiskStateCodec(load_catalogue())
    dead_letters = wiring.dead_letters()

    def create(_partition: int, _ids: Mapping[str, str]) -> PartitionOperator:
        pinned = PinnedStates(trading_states)
        return RiskOperator(
            engine=RiskEngine(
                limits=limits,
                account_for=settings.account_for,
                trading_state=pinned.of,
                strategy_limit=strategy_limits.of,
            ),
            signals=wiring.codecs.signals,
            executions=wiring.codecs.executions,
            orders=wiring.codecs.orders,
            rejections=wiring.codecs.rejections,
            states=states,
            limits_version=limits.version,
            signals_topic=wiring.on_broker("signals"),
            executions_topic=wiring.on_broker("executions"),
            orders_topic=wiring.on_broker("orders"),
            rejections_topic=wiring.on_broker("rejections"),
            dead_letters=dead_letters,
            telemetry=wiring.telemetry,
            pin_trading_states=pinned.pin,
            now_us=clock.now_us,
        )

    return wiring.spec(
        "risk",
        ("signals", "executions"),
        RISK_CHANGELOG,
        create,
        leading=("executions",),
        trading_states=trading_states,
        begin_batch=clock.begin,
    )


def risk_limits(settings: Settings, time_to_live: TimeToLive | None = None) -> RiskLimits:
    """Build the limits from the settings.

    Args:
        settings: of this process.
        time_to_live: oldest signals that become orders; None: any.
    """
    return RiskLimits(
        max_quantity=settings.risk_max_quantity,
        max_notional=settings.risk_max_notional,
        max_position=settings.risk_max_position,
        time_to_live=time_to_live,
    )


RISK = Program(
    topics=(
        "signals",
        "executions",
        "orders",
        "rejections",
        "activations",
        "control",
        "signals.dlq",
        "executions.dlq",
        RISK_CHANGELOG,
    ),
    wire=_wire,
)
