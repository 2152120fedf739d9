# pyright: basic, reportArgumentType=false
# mypy: disable-error-code="arg-type"
"""The edge to Faust: membership, assignment, agents and tables are Faust's; batches are ours.

Faust forms an event per record, at a cost of some 70 microseconds. Here an event is a turn of the
engine, in which it fetches and processes for a while: ``TurnConsumer`` stands in for Faust's own
consumer and yields one message per turn. The table's store keeps nothing of its own: it opens the
partitions that Faust assigns in the engine, and tells Faust that there is nothing left to recover.
Each hook says which behaviour of Faust 0.15.3 it counts on (``docs/adr/0007-faust-hooks.md``).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import faust
from aiokafka.consumer.group_coordinator import GroupCoordinator  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError as GroupError  # type: ignore[import-untyped]
from aiokafka.structs import OffsetAndMetadata, TopicPartition  # type: ignore[import-untyped]
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.stores import STORES
from faust.stores.base import Store
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, EventT

from algo_panda.kafka.security import KafkaSecurity
from algo_panda.streaming.engine import StreamEngine
from algo_panda.streaming.group_thread import GroupThread
from algo_panda.streaming.operator import ConnectionSettings, StreamSpec

_IDLE_WAIT = 0.02
_COMMIT_SECONDS = 5.0
_NEVER_SECONDS = 1_000_000.0
_REQUEST_SECONDS = 90.0
_STORE_SCHEME = "checkpoint"
_TURNS_QUEUED = 2
_METADATA_MAX_AGE_MS = 5_000
"""A broker that has just started may not know of the topics yet; whoever joins the group at that
moment is given nothing, and learns of the partitions when it asks the next time."""


class StreamApp(faust.App):
    """A Faust app that runs one engine."""

    engine: StreamEngine
    first_input: str
    """Name of a topic that it reads."""

    @property
    def flows(self) -> bool:
        """Whether ticks may be read: not in a rebalance."""
        return isinstance(self.consumer, TurnConsumer) and self.consumer.flow_active

    @property
    def group_error(self) -> BaseException | None:
        """Return why the worker is no member of its group now; None if it is, or tries to be.

        aiokafka keeps such an error, and does nothing more, until somebody reads records through
        it, which nobody does: either the worker ends, or it calls ``join_again``.
        """
        coordinator = self._coordinator
        if coordinator is None:
            return None
        task = coordinator._coordination_task  # noqa: SLF001 - nobody else looks at it
        if task.done() and not task.cancelled():
            ended: BaseException | None = task.exception()
            return ended
        pending: BaseException | None = coordinator._pending_exception  # noqa: SLF001
        return pending

    def join_again(self) -> None:
        """Let the client try to join the group once more after ``group_error``."""
        coordinator = self._coordinator
        if coordinator is None:
            return
        consumed = coordinator._error_consumed_fut  # noqa: SLF001 - what it waits for
        if consumed is not None:
            consumed.get_loop().call_soon_threadsafe(_consume_error, coordinator)

    @property
    def _coordinator(self) -> GroupCoordinator | None:
        thread = self.consumer._thread if isinstance(self.consumer, TurnConsumer) else None  # noqa: SLF001
        client = thread._consumer if thread is not None else None  # noqa: SLF001
        coordinator = client._coordinator if client is not None else None  # noqa: SLF001
        return coordinator if isinstance(coordinator, GroupCoordinator) else None

    def _new_transport(self) -> Any:
        return TurnTransport(self.conf.broker_consumer, self)


def _consume_error(coordinator: GroupCoordinator) -> None:
    """Take the error that the coordinator keeps; in its own thread."""
    with contextlib.suppress(GroupError):
        coordinator.check_errors()


class BeatingListener(driver.ConsumerRebalanceListener):
    """Has the worker heard of while it reads its state back, which may take minutes.

    aiokafka sends the first heartbeat of a generation after this callback. By then the broker may
    have given the partitions away, and what was read back is thrown away and read anew, and again.
    """

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Send heartbeats from now on."""
        coordinator = self._thread._ensure_consumer()._coordinator  # noqa: SLF001 - as its base
        if isinstance(coordinator, GroupCoordinator):
            coordinator._start_heartbeat_task()  # noqa: SLF001 - does nothing where it runs
        await super().on_partitions_assigned(assigned)


class TurnConsumer(driver.Consumer):
    """Faust's consumer, as far as the group goes; the records come from the engine."""

    app: StreamApp
    RebalanceListener = BeatingListener

    def _new_consumer_thread(self) -> GroupThread:
        return GroupThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ARG002 - Faust's signature
        """One message per turn, under the name of a topic partition that is ours."""
        engine = self.app.engine
        owned = engine.ownership.numbers()
        if not self.flow_active or not owned:
            await asyncio.sleep(_IDLE_WAIT)
            return
        if await engine.turn_is_due():
            tp = TP(self.app.first_input, owned[0])
            # Faust silently drops what lies below its read offset; no offset means anything here.
            self._read_offset[tp] = None
            yield tp, self._message(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Checkpoint before Faust's own revocation, which waits for acks and so would deadlock."""
        durable = await self.app.engine.hand_over({tp.partition for tp in revoked})
        await self.tell_group(durable)
        await super().on_partitions_revoked(revoked)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Asked by Faust's table recovery alone: nothing to recover, the engine has done it."""
        return dict.fromkeys(partitions, 0)

    def _message(self, tp: TP) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            0,
            0.0,
            0,
            (),
            None,
            None,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def tell_group(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit offsets to the group, for tools that show lag; no worker reads them.

        Faust's own commit would end the worker where the group has moved on meanwhile.
        """
        changed = {
            tp: at
            for where, at in offsets.items()
            if self._committed_offset[tp := TP(*where)] != at
        }
        if not changed:
            return
        thread = self._thread
        told = {TopicPartition(*tp): OffsetAndMetadata(at, "") for tp, at in changed.items()}
        commit = thread._ensure_consumer().commit  # noqa: SLF001 - as Faust's thread does itself
        with contextlib.suppress(GroupError, TimeoutError):
            # Not wait_for(): in Python 3.11 it may swallow that we are cancelled.
            async with asyncio.timeout(_COMMIT_SECONDS):
                await thread.call_thread(commit, told)
            self._committed_offset.update(changed)


class TurnTransport(driver.Transport):
    """Makes our consumer."""

    Consumer = TurnConsumer


class PromptTableManager(TableManager):
    """Faust's own waits a second for tables; ours is there before the app starts."""

    async def on_start(self) -> None:
        """Go on at once."""
        await self._update_channels()
        await self.recovery.start()


class CheckpointStore(Store[Any, Any]):
    """The table's store: opens the engine's partitions where Faust would begin recovery."""

    app: StreamApp

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],  # noqa: ARG002 - Faust's signature
        newly_assigned: set[TP],  # noqa: ARG002
        generation_id: int = 0,
    ) -> None:
        """Open what is assigned; state from before a rebalance never meets batches from after."""
        changelog = self.table.changelog_topic.get_topic_name()
        numbers = {tp.partition for tp in assigned if tp.topic != changelog}
        await self.app.engine.open(numbers, generation_id)

    def persisted_offset(self, tp: TP) -> int | None:  # noqa: ARG002 - Faust's signature
        """Nothing is kept here; ``TurnConsumer.highwaters`` says there is nothing to recover."""
        return None

    async def need_active_standby_for(self, tp: TP) -> bool:  # noqa: ARG002 - Faust's signature
        """No: state is read back from the changelog alone."""
        return False

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Nothing: the engine reads the changelog."""

    def reset_state(self) -> None:
        """Nothing is kept here."""

    async def backup_partition(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is kept here."""

    def restore_backup(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is kept here."""

    def __getitem__(self, key: Any) -> Any:
        raise KeyError(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise NotImplementedError("state is written by checkpoints only")

    def __delitem__(self, key: Any) -> None:
        raise NotImplementedError("state is written by checkpoints only")

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def clear(self) -> None:
        """Nothing is kept here."""


def credentials(security: KafkaSecurity | None) -> Credentials | None:
    """Build Faust's form of credentials and TLS; aiokafka is given it."""
    if security is None:
        return None
    context = security.ssl_context() if security.has_tls else None
    if security.has_sasl:
        return SASLCredentials(
            mechanism=security.mechanism,
            username=security.username,
            password=security.password and security.password.get_secret_value(),
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None


def build_app(spec: StreamSpec, connection: ConnectionSettings, data_dir: Path) -> StreamApp:
    """The Faust app of one worker. Its ``engine`` is to be set before it starts."""
    STORES.aliases[_STORE_SCHEME] = f"{__name__}:{CheckpointStore.__name__}"
    app = StreamApp(
        spec.group,
        broker=[
            f"kafka://{server.strip()}" for server in connection.kafka.bootstrap_servers.split(",")
        ],
        broker_credentials=credentials(connection.kafka.security),
        store="memory://",
        datadir=data_dir,
        TableManager=PromptTableManager,
        web_enabled=False,
        topic_partitions=spec.partitions,
        topic_replication_factor=1,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        recovery_consistency_check=False,
        stream_buffer_maxsize=_TURNS_QUEUED,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=connection.instance_id,
        broker_session_timeout=connection.session_timeout,
        broker_heartbeat_interval=connection.session_timeout / 3,
        # Faust refuses a session time-out that is longer.
        broker_request_timeout=max(_REQUEST_SECONDS, 2 * connection.session_timeout),
        consumer_metadata_max_age_ms=_METADATA_MAX_AGE_MS,
        # aiokafka leaves the group where nobody reads through it for so long, and nobody does.
        broker_max_poll_interval=_NEVER_SECONDS,
        broker_commit_interval=_NEVER_SECONDS,
    )
    app.first_input = spec.inputs[0]
    inputs = app.topic(*spec.inputs, key_serializer="raw", value_serializer="raw", acks=False)
    changelog = app.topic(
        spec.changelog, partitions=spec.partitions, key_serializer="raw", value_serializer="raw"
    )
    app.Table(
        f"{spec.group}-state",
        partitions=spec.partitions,
        changelog_topic=changelog,
        # Without a host, the URL is falsy and Faust silently takes the memory store.
        store=f"{_STORE_SCHEME}://local",
    )

    async def to_event(message: Any, *, propagate: bool = False) -> EventT[Any]:  # noqa: ARG001
        return faust.Event(app, None, message.value, message.headers, message)

    inputs.decode = to_event  # type: ignore[method-assign]

    @app.agent(inputs, name=f"{spec.group}-agent")
    async def route(stream: Any) -> None:
        """Let the engine take its turns."""
        async for _ in stream.events():
            await app.engine.take_turn(lambda: app.flows)

    return app
