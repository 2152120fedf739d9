"""Trading states of accounts: the topic ``control`` is read completely, then followed."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import Message as ClientMessage

from algo_panda.domain.decisions import CURRENT_SECONDS
from algo_panda.domain.errors import KafkaError
from algo_panda.domain.trading import ALL_ACCOUNTS, ControlEvent, TradingState
from algo_panda.kafka.admin import topic_id_reader
from algo_panda.kafka.clients import KafkaConnection, consumer_config
from algo_panda.kafka.connection import failure
from algo_panda.kafka.open_transactions import (
    PATIENCE_SECONDS,
    OpenTransactionError,
    describe,
    wait_until_readable,
)
from algo_panda.supervised_thread import SupervisedThread, one_line
from algo_panda.wire.errors import WireError

logger = logging.getLogger(__name__)

OUTDATED_AFTER_SECONDS = 5.0

_POLL = 0.2
_ASK_INTERVAL = 1.0
_ASK_TIMEOUT = 1.0
_START_TIMEOUT = 15.0
_LONGEST_PAUSE = 1.0
_RECONNECT_MS = 500

_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class ControlDecoder(Protocol):
    """Reads the values of ``control``."""

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> ControlEvent:
        """Return the event in ``value``.

        Raises:
            WireError: it is no event.
            Exception: it could not be read now, and may be later.
        """
        ...


class TradingView(NamedTuple):
    """The state of every account at one moment."""

    states: Mapping[str, TradingState]
    """As recorded, by account; ``*`` is every account."""
    offset: int | None
    """Records of ``control`` with a lower offset are applied. None: it could not be read, and
    every account is halted."""

    def of(self, account: str) -> TradingState:
        """Return the stricter of the account's own state and that of all accounts."""
        if self.offset is None:
            return TradingState.HALTED
        given = (
            self.states.get(account, TradingState.ACTIVE),
            self.states.get(ALL_ACCOUNTS, TradingState.ACTIVE),
        )
        return max(given, key=_STRICTNESS.__getitem__)


class TradingStates:
    """Newest state of every account: the stricter of its own and that of all accounts.

    If a clock is given, the states become outdated: if nobody confirms them for a time, every
    account is halted. The recorded states are kept, and are in force again with the next
    confirmation. ``of`` needs no thread for that: if the thread that confirms hangs, it holds too.
    """

    def __init__(
        self,
        clock: Callable[[], float] | None = None,
        outdated_after: float = OUTDATED_AFTER_SECONDS,
    ) -> None:
        """Begin without a state of any account.

        Args:
            clock: monotonic; None: the states are those of the moment in which they were read.
            outdated_after: seconds without a confirmation after which every account is halted.
        """
        self._view = TradingView({}, 0)
        self._events: dict[str, ControlEvent] = {}
        self._clock = clock
        self._outdated_after = outdated_after
        self._confirmed_at = 0.0 if clock is None else clock()

    def apply(self, event: ControlEvent, offset: int = 0) -> None:
        """Take the newest event of an account, which has this offset."""
        self._take(event.account, event.state, offset)
        self._events[event.account] = event

    def halt_all(self, offset: int = 0) -> None:
        """Halt every account, because the record at this offset cannot be read."""
        self._take(ALL_ACCOUNTS, TradingState.HALTED, offset)

    def skip(self, offset: int) -> None:
        """Advance the offset past a record without an event."""
        self._view = TradingView(self._view.states, offset + 1)

    def confirm(self, moment: float) -> None:
        """Note that all events that the topic had at ``moment`` are applied."""
        self._confirmed_at = moment

    @property
    def outdated_seconds(self) -> float | None:
        """Seconds since the last confirmation, if every account is halted because of it."""
        if self._clock is None:
            return None
        seconds = self._clock() - self._confirmed_at
        return seconds if seconds > self._outdated_after else None

    def is_current(self) -> bool:
        """Return whether the states are at most 2 s old, or outdated, so that all is halted."""
        if self._clock is None:
            return True
        seconds = self._clock() - self._confirmed_at
        return seconds <= CURRENT_SECONDS or seconds > self._outdated_after

    def events(self) -> tuple[ControlEvent, ...]:
        """Return the newest event of every account, by account."""
        return tuple(self._events[account] for account in sorted(self._events))

    def of(self, account: str) -> TradingState:
        """Return whether ``account`` may trade. From any thread."""
        return self.view().of(account)

    def view(self) -> TradingView:
        """Return all states as they are now. From any thread."""
        if self._clock is not None and self._clock() - self._confirmed_at > self._outdated_after:
            return TradingView(self._view.states, None)
        return self._view

    def _take(self, account: str, state: TradingState, offset: int) -> None:
        """Replace the view as a whole: other threads read it."""
        self._view = TradingView({**self._view.states, account: state}, offset + 1)


class PinnedStates:
    """The trading states as they were at the last ``pin``: those of one batch of records."""

    def __init__(self, states: TradingStates) -> None:
        self._states = states
        self._view = states.view()

    def pin(self) -> int | None:
        """Take the states of now; return the offset of ``control`` up to which they are known.

        Returns:
            None: ``control`` cannot be read, and every account is halted.
        """
        self._view = self._states.view()
        return self._view.offset

    def of(self, account: str) -> TradingState:
        """Return whether ``account`` may trade."""
        return self._view.of(account)


class ControlWatcher:
    """Follows ``control`` in a thread of its own, in no group: every worker sees every event.

    Once a second it asks the broker where the topic ends. If everything up to there is applied, it
    confirms the states. Neither a client that gives no records nor an end that was asked for
    before is a proof of that: the client is silent also if the broker is gone.

    An offset means nothing in a topic that was deleted and created anew, which the client does not
    notice. So the topic's id is asked for before the first record is read and after each end: if it
    is another one, the new topic is read from its first record.
    """

    def __init__(
        self,
        *,
        connection: KafkaConnection,
        topic: str,
        decoder: ControlDecoder,
        states: TradingStates,
        accounts: Collection[str] | None = None,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        read_topic_id: Callable[[], str] | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            connection: the cluster.
            topic: ``control``, by its name on the broker.
            decoder: of its values.
            states: take the events.
            accounts: of this process; an event for another one is logged as a warning. None: any.
            patience: seconds that an open transaction may hide events at the start.
            clock: monotonic.
            read_topic_id: returns the present id of the topic, or raises ``KafkaError``; None: the
                cluster is asked, for a second at most.
        """
        self._connection = connection
        self._topic = topic
        self._read_topic_id = read_topic_id or topic_id_reader(
            connection, topic, timeout_seconds=_ASK_TIMEOUT
        )
        self._topic_id: str | None = None
        """Of the topic that is read; None: it is not known yet."""
        self._patience = patience
        self._decoder = decoder
        self._states = states
        self._accounts = accounts
        self._clock = clock
        self._consumer = self._new_consumer()
        self._next = 0
        """Offset of the first record that is not applied."""
        self._unread: ClientMessage | None = None
        """A record that could not be read yet. None after it is read."""
        self._is_assigned = False
        self._is_at_end = False
        """Whether the broker said that there are no more records, as the last thing."""
        self._next_ask = 0.0
        self._cause: str | None = None
        """The last error, since the states were confirmed."""
        self._hidden_until: int | None = None
        """Where the topic ended when an open transaction was found."""
        self._was_outdated = False
        self._answered = threading.Event()
        """Set when everything was read once, or the broker has refused."""
        self._denial: KafkaError | None = None
        """Why it could not be read when it was entered."""
        self._thread = SupervisedThread("control", self._step, longest_pause=_LONGEST_PAUSE)

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
                f"trading states are not known, because events would be missed: {error}; then"
                " start again"
            ) from error
        self._thread.start()
        if not self._answered.wait(_START_TIMEOUT):
            self.__exit__()
            cause = "" if self._cause is None else f": {self._cause}"
            raise KafkaError(
                f"topic {self._topic} could not be read in {_START_TIMEOUT:.0f} s at"
                f" {self._connection.bootstrap_servers}{cause}"
            )
        if self._denial is not None:
            self.__exit__()
            raise self._denial
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.stop()
        self._consumer.close()

    @property
    def trouble(self) -> str | None:
        """Return why the states are not those of the topic, or None. From any thread."""
        seconds = self._states.outdated_seconds
        if seconds is None:
            return self._thread.trouble
        cause = "" if self._cause is None else f" ({self._cause})"
        return (
            f"{self._topic} cannot be read for {seconds:.0f} s: every account is treated as halted"
            f"{cause}"
        )

    def _step(self, ending: threading.Event) -> None:
        """Read one record, and now and then confirm that there are no more."""
        if self._denial is not None:
            ending.wait()
            return
        try:
            self._follow()
        except Exception as error:
            self._cause = one_line(error)
            raise
        finally:
            self._log_outdated()

    def _replace_consumer(self) -> None:
        """Go on with a new client, from the first record that is not applied."""
        self._consumer.close()
        self._consumer = self._new_consumer()
        self._is_assigned = self._is_at_end = False

    def _new_consumer(self) -> Consumer:
        config = consumer_config(
            self._connection, auto_offset_reset="earliest", reconnect_backoff_max_ms=_RECONNECT_MS
        )
        config["error_cb"] = self._on_client_error
        return Consumer(config)

    def _follow(self) -> None:
        if self._topic_id is None:
            self._topic_id = self._ask_topic_id()
            if self._topic_id is None:
                self._consumer.poll(_POLL)  # it may report why the broker does not answer
                return
        if not self._is_assigned:
            self._consumer.assign([TopicPartition(self._topic, 0, self._next)])
            self._is_assigned, self._is_at_end = True, False
        if self._unread is None:
            message = self._consumer.poll(_POLL)
            if message is not None:
                self._take(message)
        if self._unread is not None:
            self._apply(self._unread)
        if self._is_at_end and self._clock() >= self._next_ask:
            self._confirm()

    def _take(self, message: ClientMessage) -> None:
        error = message.error()
        if error is None:
            self._unread, self._is_at_end = message, False
        elif error.code() == ClientError._PARTITION_EOF:  # noqa: SLF001 - its public name
            self._next, self._is_at_end = message.offset() or 0, True
        else:
            # The client reports an error once, and not when it is over: after a new assignment,
            # it reports the end of the topic as soon as it can read.
            self._is_assigned = self._is_at_end = False
            refusal = failure(f"read topic {self._topic}", KafkaException(error), self._connection)
            is_denied = error.code() == ClientError.TOPIC_AUTHORIZATION_FAILED
            if not is_denied or self._answered.is_set():
                raise refusal
            self._denial = refusal
            self._answered.set()

    def _apply(self, message: ClientMessage) -> None:
        """Apply a record. If another error than a ``WireError`` is raised, it is read again."""
        offset = message.offset() or 0
        if message.value() is None:
            self._states.skip(offset)
        else:
            try:
                event = self._decoder.decode(message.value(), message.timestamp()[1])
            except WireError as problem:
                # It may be a halt, and halting is the safe assumption.
                logger.critical(
                    "%s[0] offset %s cannot be read, so all trading is halted until the next event"
                    " for all accounts ('panda control resume'): %s",
                    self._topic,
                    offset,
                    problem,
                )
                self._states.halt_all(offset)
            else:
                logger.info(
                    "account %s is %s (%s, by %s)",
                    event.account,
                    event.state,
                    event.reason,
                    event.issued_by,
                )
                self._warn_if_unknown(event, offset)
                self._states.apply(event, offset)
        self._unread, self._next = None, offset + 1

    def _warn_if_unknown(self, event: ControlEvent, offset: int) -> None:
        """Whoever sent the event may believe that it stops an account of this worker."""
        if self._accounts is None or event.account in (ALL_ACCOUNTS, *self._accounts):
            return
        logger.warning(
            "%s[0] offset %d sets account %s to %s, and this worker has no such account: its"
            " accounts are %s (PANDA_ACCOUNTS), and they trade as before; was one of them meant?",
            self._topic,
            offset,
            event.account,
            event.state,
            ", ".join(sorted(self._accounts)),
        )

    def _confirm(self) -> None:
        """Ask where the topic ends. If all before that is applied, confirm the states.

        Events behind an open transaction cannot be read, and one of them may be an order to stop.
        """
        asked_at = self._clock()
        try:
            where = TopicPartition(self._topic, 0)
            _, end = self._consumer.get_watermark_offsets(where, _ASK_TIMEOUT, cached=False)
        except KafkaException as error:
            self._cause = self._cause or error.args[0].str()
            if error.args[0].code() > 0:
                # The broker's own answer. After its restart, a client that knows of an earlier
                # leader is refused until it looks for the leaders again, minutes later.
                self._replace_consumer()
            return
        topic_id = self._ask_topic_id()
        if topic_id is None:
            return
        if topic_id != self._topic_id:
            self._begin_anew(topic_id)
        elif end < self._next:  # it has lost records: read what it has now
            self._next, self._is_assigned, self._is_at_end = 0, False, False
        elif end == self._next and not self._hides_events(end):
            self._states.confirm(asked_at)
            self._next_ask, self._cause = asked_at + _ASK_INTERVAL, None
            self._answered.set()

    def _ask_topic_id(self) -> str | None:
        """Return the present id of the topic; None: the broker does not say it now."""
        try:
            return self._read_topic_id()
        except KafkaError as error:
            self._cause = self._cause or str(error)
            return None

    def _begin_anew(self, topic_id: str) -> None:
        """Read the topic that has replaced the one that was read, from its first record."""
        logger.warning(
            "topic %s was deleted and created anew (id %s, now %s): it is read from its first"
            " record; until it has an event for an account, the account's last state stays",
            self._topic,
            self._topic_id,
            topic_id,
        )
        # A new client: the old one keeps metadata and leader epochs of the topic that is gone.
        self._replace_consumer()
        self._topic_id, self._unread, self._next = topic_id, None, 0

    def _hides_events(self, end: int) -> bool:
        """Return whether an open transaction hides events behind ``end``."""
        # The end for readers of all records, as the last answer to a fetch had it.
        _, last = self._consumer.get_watermark_offsets(TopicPartition(self._topic, 0), cached=True)
        if last <= end:
            return False
        if self._hidden_until != last:
            self._hidden_until = last
            self._cause = describe(self._connection, (self._topic, 0), stable=end, end=last)
        return True

    def _on_client_error(self, error: ClientError) -> None:
        """Remember why the broker does not answer; called by ``poll``."""
        self._cause = error.str()

    def _log_outdated(self) -> None:
        """Log one line when the states become outdated, and one when they are confirmed again."""
        seconds = self._states.outdated_seconds
        if (seconds is not None) == self._was_outdated or not self._answered.is_set():
            return
        self._was_outdated = seconds is not None
        if seconds is None:
            logger.warning(
                "topic %s can be read again: the recorded trading states apply", self._topic
            )
        else:
            logger.critical(
                "topic %s cannot be read for %.0f s, so all trading is halted until it can be: %s",
                self._topic,
                seconds,
                self._cause or "the broker does not answer",
            )
