"""Many ticks at once, column by column: the same ticks as one by one, in a fraction of the time.

Every record's bytes are walked in step with those of all others, as numpy arrays: one varint of
all records, then the next. Boundaries are those of the records themselves, so nothing can run
from one into the next. Whatever is not plainly right (an unknown schema id, a price that is not
positive, bytes left over) makes the whole batch fall back to ``TickCodec.decode``, record by
record, which says what is wrong with which.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from algo_panda.domain.market import MarketTick, new_tick
from algo_panda.wire.framing import HEADER_SIZE, header
from algo_panda.wire.values import DAY_US, EARLIEST_US, LATEST_US, RAW_LIMIT

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]
TickFields = tuple[Integers, Integers, Integers, Integers, Integers, Integers]
"""A column for each field of ``MarketTick``, in its order."""

_WORD = 8
"""Bytes looked at at once: a longer varint (a value of 2**55 or more) wants a closer look."""

_HEADER = np.uint64((1 << 8 * HEADER_SIZE) - 1)
_ENDS = np.uint64(0x8080808080808080)
_GROUPS = np.uint64(0x7F7F7F7F7F7F7F7F)
_FOLDS = tuple(
    (np.uint64(low), np.uint64(high), np.uint64(shift))
    for low, high, shift in (
        (0x007F007F007F007F, 0x7F007F007F007F00, 1),
        (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
        (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
    )
)
"""Eight groups of seven bits become four of fourteen, two of 28, one of 56."""

_ONE = np.uint64(1)
_ALL = np.uint64(2**64 - 1)


class TickBatchReader:
    """Reads batches written with the newest schema; knows its field order by heart.

    ``tests/unit/wire/test_tick_batch.py`` holds it to what ``TickCodec`` reads.
    """

    def __init__(self, writer_id: int) -> None:
        # The first bytes of a record as the lower ones of a word.
        self._header = np.uint64(int.from_bytes(header(writer_id), "little"))

    def read(
        self, values: Sequence[bytes], timestamps_ms: Sequence[int]
    ) -> list[MarketTick] | None:
        """The ticks in ``values``, or None where one of them wants a closer look."""
        columns = self.columns(values, timestamps_ms)
        if columns is None:
            return None
        fields = zip(*(column.tolist() for column in columns), strict=True)
        return [new_tick(MarketTick, tick) for tick in fields]

    def columns(self, values: Sequence[bytes], timestamps_ms: Sequence[int]) -> TickFields | None:
        """The fields of the ticks in ``values``, or None where any of them wants a closer look.

        Args:
            values: the records' values, none of them None.
            timestamps_ms: their Kafka timestamps in milliseconds; 0 or less if unknown.
        """
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        # Reading ahead of the last record and behind the first stays within the buffer.
        data = b"".join((bytes(_WORD), *values, bytes(_WORD)))
        ends = np.cumsum(lengths) + _WORD
        starts = ends - lengths
        walk = _Walk(data, starts)
        if lengths.min() < HEADER_SIZE or not walk.passes(self._header):
            return None
        token, event_time, price = walk.long(), walk.long(), walk.price()
        quantity, volume = walk.long(), walk.long()
        received = np.maximum(np.asarray(timestamps_ms, np.int64), 0) * 1_000
        latest = np.where(received > 0, received + DAY_US, LATEST_US)
        fine = (
            walk.fine
            & (walk.at == ends)
            & (event_time >= EARLIEST_US)
            & (event_time <= latest)
            & (price > 0)
            & (price < RAW_LIMIT)
            & (quantity >= 0)
            & (volume >= 0)
        )
        if not fine.all():
            return None
        return token, event_time, price, quantity, volume, received


class _Walk:
    """Stands at one place in each record, and moves on with what is read."""

    def __init__(self, data: bytes, at: Integers) -> None:
        # The eight bytes from every place on, as one whole number.
        words = len(data) - _WORD + 1
        self._little: Words = np.ndarray(words, "<u8", data, strides=(1,))
        self._big: Words = np.ndarray(words, ">u8", data, strides=(1,))
        self._last = words - 1
        self.at = at
        self.fine: NDArray[np.bool_] = np.ones(len(at), np.bool_)

    def passes(self, framing: np.uint64) -> bool:
        """Whether every record begins with ``framing``; then stand behind it."""
        begins = self._little[np.minimum(self.at, self._last)] & _HEADER
        self.at = self.at + HEADER_SIZE
        return bool((begins == framing).all())

    def long(self) -> Integers:
        """The next varint of every record, zigzag undone."""
        word = self._little[np.minimum(self.at, self._last)]
        ends = ~word & _ENDS
        self.fine &= ends != 0
        end = ends & (~ends + _ONE)  # the lowest bit set: the top bit of the last byte
        value = word & (end - _ONE) & _GROUPS
        for low, high, shift in _FOLDS:
            value = (value & low) | ((value & high) >> shift)
        # The end's bit is 8 * length - 1; as a float its exponent says so exactly.
        length = (np.frexp(end.astype(np.float64))[1].astype(np.int64)) >> 3
        self.at = self.at + length
        unfolded: Integers = (value >> _ONE).astype(np.int64) ^ -(value & _ONE).astype(np.int64)
        return unfolded

    def price(self) -> Integers:
        """The next decimal of every record: a length, then two's complement, big-endian."""
        length = self.long()
        self.fine &= (length > 0) & (length <= _WORD)
        length = np.clip(length, 1, _WORD)
        unused = ((_WORD - length) * 8).astype(np.uint64)
        self.at = self.at + length
        word = self._big[np.minimum(self.at - _WORD, self._last)]
        raw: Integers = (word & (_ALL >> unused)).astype(np.int64)
        # A sign bit means a negative price, which the codec refuses.
        self.fine &= ((raw >> (length * 8 - 1)) & 1) == 0
        return raw
