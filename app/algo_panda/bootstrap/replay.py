"""Puts a replay together, of the parts that the worker programs are made of."""

import contextlib
import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from algo_panda.bootstrap.codecs import codecs_of
from algo_panda.bootstrap.hearing import (
    hearing_here,
    hearing_in_processes,
    runner_of,
)
from algo_panda.bootstrap.paper import described_charges, fee_schedule, fill_model
from algo_panda.bootstrap.risk import risk_limits
from algo_panda.bootstrap.strategies import build_factory
from algo_panda.brokers.paper.broker import PaperBroker
from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.trading import KNOWN_BROKERS, TradingState
from algo_panda.execution.router import OrderRouter
from algo_panda.ingest.merging import in_event_order
from algo_panda.ingest.source import BadRow, TickSource
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.replay.files import FileTicks
from algo_panda.replay.fingerprint import configuration_hash
from algo_panda.replay.observer import Observer
from algo_panda.replay.placed import PlacedTicks
from algo_panda.replay.recording import Recording
from algo_panda.replay.replay import Replay, ReplayListener
from algo_panda.replay.ticks import RecordedTicks
from algo_panda.replay.topic import TopicTicks
from algo_panda.replay.topics import TopicsOutput, open_topics
from algo_panda.replay.trading import Trading
from algo_panda.risk.engine import RiskEngine
from algo_panda.risk.strategy_limits import StrategyLimits
from algo_panda.settings import Settings
from algo_panda.store.acceptance import Acceptance, factory_check
from algo_panda.store.database import Database
from algo_panda.store.repository import StrategyRefusedError
from algo_panda.store.sql import SqlStrategyRepository
from algo_panda.store.strategy_file import read_strategy_file

logger = logging.getLogger(__name__)

_DECIDE_NOTHING = ("paper_fees", "paper_accepts_past_ticks")
"""Settings of the paper venue that a replay does not depend on: where a file is, what expires."""

_BLOCKS_AHEAD = 2
"""So that processes have something to do while this one trades."""


class NoStrategyError(ConfigurationError):
    """There is nothing to replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WiredReplay:
    """A replay that can be run."""

    replay: Replay
    configs: Sequence[StrategyConfig]
    """The strategies that take ticks."""
    deciding: Mapping[str, str | int | None]
    """The settings that decide what becomes of a tick."""
    observer: Observer


def topic_ticks(settings: Settings, *, from_us: int | None = None) -> RecordedTicks:
    """The ticks on the broker's topic at this moment; see ``TopicTicks``.

    Raises:
        KafkaError: no broker, or no such topic.
    """
    ticks = TopicTicks(
        kafka_connection(settings),
        settings.topic("ticks"),
        codecs_of(settings).ticks,
        from_us=from_us,
    )
    return _as_the_runner_takes_them(settings, ticks)


def topics_of_run(settings: Settings, name: str) -> AbstractContextManager[TopicsOutput]:
    """New topics, called ``NAME-signals`` and so on, for what a replay says.

    Raises:
        ConfigurationError: they are there already, or cannot be called so.
        KafkaError: no broker, or it refuses.
    """
    if re.fullmatch(r"[a-zA-Z0-9._-]{1,200}", name) is None:
        raise ConfigurationError(
            f"--to-topics {name}: a name has 1 to 200 letters, digits, '.', '_' and '-'"
        )
    prefixed = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}{name}-"})
    return open_topics(kafka_connection(settings), declared_topics(prefixed), codecs_of(settings))


def recorded_ticks(settings: Settings, folder: Path) -> RecordedTicks:
    """The ticks of a recording.

    Raises:
        RecordingError: ``folder`` is none.
    """
    return _as_the_runner_takes_them(settings, Recording(folder, codecs_of(settings).ticks))


def _as_the_runner_takes_them(settings: Settings, ticks: RecordedTicks) -> RecordedTicks:
    return ticks if settings.misplaced_ticks == "process" else PlacedTicks(ticks)


def file_ticks(
    sources: Sequence[TickSource], on_bad_row: Callable[[BadRow], None]
) -> RecordedTicks:
    """The ticks of files, merged by event time.

    Args:
        sources: the files.
        on_bad_row: takes rows that are no ticks; it may raise.
    """

    def ticks() -> Iterator[MarketTick]:
        for row in in_event_order(sources):
            if isinstance(row, BadRow):
                on_bad_row(row)
            else:
                yield row.tick

    return FileTicks(", ".join(source.name for source in sources), ticks)


def strategies_in_file(settings: Settings, path: Path) -> Sequence[StrategyConfig]:
    """The enabled strategies in a YAML file.

    Raises:
        ConfigurationError: it cannot be used.
    """
    return read_strategy_file(path, _acceptance(settings))


def strategies_in_database(settings: Settings) -> Sequence[StrategyConfig]:
    """The enabled strategies of the database; those that cannot be used are logged.

    Raises:
        DatabaseError: it is not there, or refuses us.
    """
    factory = build_factory(settings)
    with Database(settings.effective_database_url) as database:
        loaded = SqlStrategyRepository(
            database, check=factory_check(factory), clock=lambda: datetime.now(UTC)
        ).load()
    for row in loaded.unusable:
        logger.error("strategy row %s cannot be used and does not run: %s", row.id, row.reason)
    return loaded.usable


def with_parameters(
    settings: Settings, configs: Sequence[StrategyConfig], parameters: Mapping[str, Any]
) -> Sequence[StrategyConfig]:
    """``configs`` with ``parameters`` in place of their own of the same names.

    Raises:
        StrategyRefusedError: a strategy cannot be run with them.
    """
    return parameters_setter(settings)(configs, parameters)


SetParameters = Callable[[Sequence[StrategyConfig], Mapping[str, Any]], Sequence[StrategyConfig]]


def parameters_setter(settings: Settings) -> SetParameters:
    """``with_parameters`` for those who call it more than once."""
    accept = _acceptance(settings).accepted

    def set_parameters(
        configs: Sequence[StrategyConfig], parameters: Mapping[str, Any]
    ) -> Sequence[StrategyConfig]:
        changed: list[StrategyConfig] = []
        for config in configs:
            try:
                with_them = replace(config, parameters={**config.parameters, **parameters})
                changed.append(accept(with_them))
            except (StrategyRefusedError, ValueError) as error:
                named = f"strategy {config.strategy_id[:8]} ({config.strategy_type}): "
                whose = named if len(configs) > 1 else ""
                raise StrategyRefusedError(f"{whose}{error}") from error
        return changed

    return set_parameters


@contextlib.contextmanager
def wired_replay(
    settings: Settings,
    source: RecordedTicks,
    configs: Sequence[StrategyConfig],
    listeners: Sequence[ReplayListener],
    *,
    speed: float | None = None,
    jobs: int = 1,
) -> Generator[WiredReplay]:
    """A replay of ``source`` through ``configs``.

    Args:
        settings: of this process.
        source: the ticks.
        configs: the strategies.
        listeners: hear what happens.
        speed: as ``Replay`` takes it.
        jobs: how many processes run the strategies; 1: this one does.

    Raises:
        NoStrategyError: none of them can be run.
    """
    observer = Observer()
    runner = runner_of(settings, configs, observer)
    report = runner.start()
    with contextlib.ExitStack() as stack:
        stack.callback(runner.stop)
        if not report.registered:
            reasons = "; ".join(f"{d.config.id}: {d.reason}" for d in report.disabled)
            raise NoStrategyError(f"no strategy can be run: {reasons or 'none is selected'}")
        running = [registered.config for registered in report.registered]
        codecs = codecs_of(settings)
        if jobs == 1:
            is_trading = any(config.brokers for config in running)
            hearing = hearing_here(codecs, runner, source, keeps_ticks=is_trading)
        else:
            # With a pace, no tick is to be asked about before it is due.
            ahead = _BLOCKS_AHEAD if speed is None else 0
            hearing = stack.enter_context(
                hearing_in_processes(
                    settings, running, source, jobs=jobs, ahead=ahead, observer=observer
                )
            )
        deciding = _deciding(settings)
        replay = Replay(
            source=source,
            hearing=hearing,
            configs=running,
            trading=_trading(settings, source.topic_id, running),
            encode_execution=codecs.executions.encode_version_2,
            configuration=configuration_hash(running, deciding),
            listeners=listeners,
            speed=speed,
        )
        yield WiredReplay(
            replay=replay,
            configs=running,
            deciding={**deciding, "fees": described_charges(settings)},
            observer=observer,
        )


def _trading(settings: Settings, topic_id: str, configs: Iterable[StrategyConfig]) -> Trading:
    """Risk, router, and in the place of every broker the paper venue."""

    def active(_account: str) -> TradingState:
        return TradingState.ACTIVE

    return Trading(
        risk=RiskEngine(
            limits=risk_limits(settings),
            account_for=settings.account_for,
            trading_state=active,
            strategy_limit=StrategyLimits.of_configs(configs).of,
        ),
        router=OrderRouter(
            brokers={name: PaperBroker() for name in KNOWN_BROKERS}, trading_state=active
        ),
        venue=PaperVenue(
            topic_id=topic_id, model=fill_model(settings), fees=fee_schedule(settings)
        ),
    )


def _deciding(settings: Settings) -> dict[str, str | int | None]:
    """The settings that decide what becomes of a tick."""
    return {
        "quarantine_after": settings.quarantine_after,
        "duplicate_ticks": settings.duplicate_ticks,
        "out_of_order_ticks": settings.out_of_order_ticks,
        "risk_max_quantity": settings.risk_max_quantity,
        "risk_max_notional": str(settings.risk_max_notional),
        "risk_max_position": settings.risk_max_position,
        **{
            name: None if value is None else str(value)
            for name, value in settings
            if name.startswith("paper_") and name not in _DECIDE_NOTHING
        },
        "fees": repr(fee_schedule(settings)),
        "accounts": "|".join(f"{name}={settings.account_for(name)}" for name in KNOWN_BROKERS),
    }


def _acceptance(settings: Settings) -> Acceptance:
    return Acceptance(check=factory_check(build_factory(settings)))
