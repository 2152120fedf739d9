"""A clock that no test has to wait for."""

from datetime import UTC, datetime, timedelta


class Clock:
    """A second later every time it is asked."""

    def __init__(self) -> None:
        self.now = datetime(2024, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now
