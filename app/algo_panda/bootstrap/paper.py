"""Wires the paper venue: ticks and paper orders in, executions out."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from confluent_kafka import TopicPartition

from algo_panda.bootstrap.wiring import Program, Wiring, now_us, time_to_live
from algo_panda.brokers.paper.fees import Charge, FeeSchedule, read_fees
from algo_panda.brokers.paper.fills import FillModel, Markup
from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.time_to_live import venue_limit_us
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.settings import Settings
from algo_panda.streaming.control import PinnedStates
from algo_panda.streaming.opening import BROKER_TIMEOUT
from algo_panda.streaming.operator import BatchClock, Message, PartitionOperator, StreamSpec
from algo_panda.streaming.operators.paper import PaperOperator, Reread
from algo_panda.streaming.rereading import reread
from algo_panda.streaming.state_codec import PAPER_CHANGELOG, PaperStateCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs


def _wire(wiring: Wiring, stack: contextlib.ExitStack) -> StreamSpec:
    trading_states, clock = wiring.trading_states(stack), BatchClock(now_us)
    model, fees = fill_model(wiring.settings), fee_schedule(wiring.settings)
    order_limit_us = venue_limit_us(time_to_live(wiring.settings))
    # State is read by this program alone: by the schema files, never by a registry's ids.
    states = PaperStateCodec(load_catalogue(), load_codecs().paper_orders)
    dead_letters = wiring.dead_letters()
    ticks = wiring.on_broker("ticks")

    def create(partition: int, ids: Mapping[str, str]) -> PartitionOperator:
        pinned = PinnedStates(trading_states)
        return PaperOperator(
            partition=partition,
            topic_id=ids[ticks],
            venue=PaperVenue(
                topic_id=ids[ticks],
                model=model,
                fees=fees,
                trading_state=pinned.of,
                order_limit_us=order_limit_us,
            ),
            ticks=wiring.codecs.ticks,
            orders=wiring.codecs.paper_orders,
            executions=wiring.codecs.executions,
            states=states,
            ticks_topic=ticks,
            executions_topic=wiring.on_broker("executions"),
            dead_letters=dead_letters,
            telemetry=wiring.telemetry,
            reread=_reread(wiring.connection, ticks, partition),
            pin_trading_states=pinned.pin,
            now_us=clock.now_us,
        )

    # Ticks of before its first start are read again for the orders that they are to fill.
    inputs = ("ticks", "paper-orders")
    return wiring.spec(
        "paper",
        inputs,
        PAPER_CHANGELOG,
        create,
        from_the_end=("ticks",),
        trading_states=trading_states,
        begin_batch=clock.begin,
    )


def fill_model(settings: Settings) -> FillModel:
    """Build the fill model from the settings.

    Raises:
        ConfigurationError: a setting is out of range; the message names it.
    """
    return FillModel(
        spread=_markup("PANDA_PAPER_SPREAD", settings.paper_spread),
        slippage=_markup("PANDA_PAPER_SLIPPAGE", settings.paper_slippage),
        slippage_probability=settings.paper_slippage_probability,
        tick_size=settings.paper_tick_size,
        latency_us=_micros(settings.paper_latency_ms),
        latency_jitter_us=_micros(settings.paper_latency_jitter_ms),
        volume_limit=settings.paper_volume_limit,
        expire_after_us=settings.paper_expire_seconds * 1_000_000,
        seed=settings.paper_seed,
    )


def fee_schedule(settings: Settings) -> FeeSchedule | None:
    """Read the fees of paper fills from the settings.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    if settings.paper_fees is None:
        return None
    try:
        return read_fees(settings.paper_fees)
    except ConfigurationError as error:
        raise ConfigurationError(f"PANDA_PAPER_FEES: {error}") from error


def described(settings: Settings) -> Mapping[str, str]:
    """Describe how paper orders are filled, for people, without settings at their default."""
    fees = fee_schedule(settings)
    model = fill_model(settings)
    given = {
        "at": "next tick",
        "spread": settings.paper_spread if model.spread else None,
        "slippage": settings.paper_slippage if model.slippage else None,
        "slippage_probability": _unless(1.0, model.slippage_probability),
        "tick_size": _unless(None, model.tick_size),
        "latency_ms": _unless(0, settings.paper_latency_ms),
        "latency_jitter_ms": _unless(0, settings.paper_latency_jitter_ms),
        "volume_limit": _unless(None, model.volume_limit),
        "seed": _unless(0, model.seed),
        "fees": "none" if fees is None else f"{fees.name} as of {fees.as_of}",
    }
    return {name: value for name, value in given.items() if value is not None}


def described_charges(settings: Settings) -> str:
    """Describe the fees of paper fills, in the terms of a file of charges."""
    fees = fee_schedule(settings)
    if fees is None:
        return "none"
    said = {name: ", ".join(_charged(charge)) for name, charge in fees.charges.items()}
    listed = "; ".join(f"{name}: {charge}" for name, charge in said.items())
    return f"{fees.name} as of {fees.as_of}: {listed}"


def _charged(charge: Charge) -> Iterator[str]:
    for key in ("rate", "amount", "maximum"):
        value: Decimal | None = getattr(charge, key)
        if value:
            yield f"{key} {value}"
    if charge.side is not None:
        yield f"side {charge.side.value}"
    if charge.of:
        yield f"of {' + '.join(charge.of)}"


def _unless(default: object, value: object) -> str | None:
    return None if value == default else str(value)


def _markup(variable: str, text: str) -> Markup:
    try:
        return Markup.parse(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable}: {error}") from error


def _micros(milliseconds: Decimal) -> int:
    return int(milliseconds * 1000)


def _reread(connection: KafkaConnection, topic: str, partition: int) -> Reread:
    def read(first: int, end: int) -> Iterable[Sequence[Message]]:
        where = TopicPartition(topic, partition, first)
        return reread(connection, where, end, BROKER_TIMEOUT)

    return read


PAPER = Program(
    topics=(
        "ticks",
        "paper-orders",
        "executions",
        "control",
        "paper-orders.dlq",
        PAPER_CHANGELOG,
    ),
    wire=_wire,
)
