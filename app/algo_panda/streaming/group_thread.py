# pyright: basic
"""Faust's thread for the consumer group, which ends without a traceback if the broker is gone.

A broken connection is told by the worker in one line. Left alone, aiokafka and mode tell it in
two tracebacks before, and the first of them also keeps Faust from seeing that its thread ended.
"""

import asyncio
import contextlib
import logging
import sys

from aiokafka.errors import KafkaError as GroupError  # type: ignore[import-untyped]
from faust.transport.drivers import aiokafka as driver
from mode.threads import ServiceThread, WorkerThread

logger = logging.getLogger(__name__)


class _Thread(WorkerThread):
    """Does not keep the process: what hangs in a client without a broker is given up."""

    def __init__(self, service: ServiceThread, **kwargs: object) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True

    def run(self) -> None:
        """Run; mode raises the reason of a crash once more after it has told the app."""
        with contextlib.suppress(GroupError):
            super().run()


class GroupThread(driver.AIOKafkaConsumerThread):
    """Where aiokafka lives."""

    Worker = _Thread

    async def on_thread_stop(self) -> None:
        """Stop aiokafka.

        Its fetcher cancels the fetches that are under way and awaits each of them: one that waits
        to be tried again, because the broker was gone, raises the cancellation into its caller
        (aiokafka 0.14.0, ``Fetcher.close``). The group was left before; the client is still open.
        """
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            if self._consumer is not None:
                await self._consumer._client.close()  # noqa: SLF001 - as its stop() would have

    def on_crash(self, msg: str, *fmt: object, **kwargs: object) -> None:
        """Say why the thread ends; what the broker is the reason of, the worker says."""
        if isinstance(sys.exc_info()[1], GroupError):
            logger.debug(msg.format(*fmt), exc_info=True)
        else:
            super().on_crash(msg, *fmt, **kwargs)
