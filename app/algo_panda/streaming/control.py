"""The trading state of accounts, as the topic ``control`` has it: read whole, then followed."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import Message as ClientMessage

from algo_panda.domain.errors import KafkaError
from algo_panda.domain.trading import ALL_ACCOUNTS, ControlEvent, TradingState
from algo_panda.kafka.clients import KafkaConnection, consumer_config
from algo_panda.kafka.connection import failure
from algo_panda.kafka.open_transactions import (
    PATIENCE_SECONDS,
    OpenTransactionError,
    describe,
    wait_until_readable,
)
from algo_panda.wire.errors import WireError

logger = logging.getLogger(__name__)

_POLL = 0.2
_START_TIMEOUT = 15.0

_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class ControlDecoder(Protocol):
    """Reads the values of ``control``."""

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> ControlEvent:
        """The event in ``value``; raises ``WireError`` where it is none."""
        ...


class TradingStates:
    """The newest state of every account; the stricter of the account's own and everybody's."""

    def __init__(self) -> None:
        self._states: dict[str, TradingState] = {}
        self._are_hidden = False
        self._events: dict[str, ControlEvent] = {}

    def apply(self, event: ControlEvent) -> None:
        """Take the newest event of an account."""
        self._states[event.account] = event.state
        self._events[event.account] = event

    def halt_all(self) -> None:
        """Halt every account."""
        self._states[ALL_ACCOUNTS] = TradingState.HALTED

    def hide(self, hidden: bool) -> None:
        """Take note whether events cannot be read; while that is so, every account is halted."""
        self._are_hidden = hidden

    def events(self) -> tuple[ControlEvent, ...]:
        """The newest event of every account, by account."""
        return tuple(self._events[account] for account in sorted(self._events))

    def of(self, account: str) -> TradingState:
        """Whether ``account`` may trade."""
        if self._are_hidden:
            return TradingState.HALTED
        given = (
            self._states.get(account, TradingState.ACTIVE),
            self._states.get(ALL_ACCOUNTS, TradingState.ACTIVE),
        )
        return max(given, key=_STRICTNESS.__getitem__)


class ControlWatcher:
    """Follows ``control`` in a thread of its own, in no group: every worker sees every event."""

    def __init__(
        self,
        *,
        connection: KafkaConnection,
        topic: str,
        decoder: ControlDecoder,
        states: TradingStates,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            connection: The cluster.
            topic: ``control``, by its name on the broker.
            decoder: Of its values.
            states: Where events go.
            patience: Seconds that an open transaction may hide events.
            clock: Seconds, monotonic.
        """
        self._connection = connection
        self._topic = topic
        self._patience = patience
        self._clock = clock
        self._end = 0
        """Where the topic ended, for a reader of committed records, when that was last reached."""
        self._hidden_since: float | None = None
        self._are_hidden = False
        self._decoder = decoder
        self._states = states
        self._consumer = Consumer(consumer_config(connection, auto_offset_reset="earliest"))
        self._caught_up = threading.Event()
        self._denial: KafkaError | None = None
        """Why it could not be read when it was entered."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="control", daemon=True)

    def __enter__(self) -> Self:
        """Read everything there is, then go on following.

        Raises:
            KafkaError: the topic could not be read in 15 seconds, or an open transaction hides
                the newest events.
        """
        try:
            wait_until_readable(self._connection, [(self._topic, 0)], patience=self._patience)
        except OpenTransactionError as error:
            self._consumer.close()
            raise OpenTransactionError(
                f"trading states are not known, because events would be missed: {error}, then"
                " start again"
            ) from error
        self._consumer.assign([TopicPartition(self._topic, 0, 0)])
        self._thread.start()
        if not self._caught_up.wait(_START_TIMEOUT):
            self.__exit__()
            raise KafkaError(
                f"topic {self._topic} could not be read in {_START_TIMEOUT:.0f} s at"
                f" {self._connection.bootstrap_servers}"
            )
        if self._denial is not None:
            self.__exit__()
            raise self._denial
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                message = self._consumer.poll(_POLL)
            except KafkaException as error:
                logger.warning("topic %s: %s", self._topic, error)
                continue
            if message is not None:
                self._take(message)
            self._look_for_hidden()

    def _look_for_hidden(self) -> None:
        """Halt every account while an open transaction hides events for longer than is normal.

        One of them may be an order to stop.
        """
        where = TopicPartition(self._topic, 0)
        try:
            # What the broker said with its last answer to a fetch; asks nothing.
            _, last = self._consumer.get_watermark_offsets(where, cached=True)
        except KafkaException:
            return  # nothing was fetched yet
        if last <= self._end:
            if self._are_hidden:
                logger.warning("all of topic %s can be read again", self._topic)
            self._hidden_since, self._are_hidden = None, False
        elif self._hidden_since is None:
            self._hidden_since = self._clock()
        elif not self._are_hidden and self._clock() > self._hidden_since + self._patience:
            self._are_hidden = True
            logger.critical(
                "events on topic %s are hidden; all trading is halted until they can be read: %s",
                self._topic,
                describe(self._connection, (self._topic, 0), stable=self._end, end=last),
            )
        self._states.hide(self._are_hidden)

    def _take(self, message: ClientMessage) -> None:
        error = message.error()
        if error is not None:
            if error.code() == ClientError._PARTITION_EOF:  # noqa: SLF001 - its public name
                self._end = message.offset() or 0
                self._caught_up.set()
            elif error.code() == ClientError.TOPIC_AUTHORIZATION_FAILED:
                self._denial = failure(
                    f"read topic {self._topic}", KafkaException(error), self._connection
                )
                logger.error("%s", self._denial)
                self._caught_up.set()
            else:
                logger.warning("topic %s: %s", self._topic, error.str())
            return
        if message.value() is None:
            return
        try:
            event = self._decoder.decode(message.value(), message.timestamp()[1])
        except WireError as problem:
            # Halting is the safe reading of an order to stop that cannot be read.
            logger.critical(
                "%s[0] offset %s cannot be read, so all trading is halted: %s",
                self._topic,
                message.offset(),
                problem,
            )
            self._states.halt_all()
            return
        logger.info(
            "account %s is %s (%s, by %s)",
            event.account,
            event.state,
            event.reason,
            event.issued_by,
        )
        self._states.apply(event)
