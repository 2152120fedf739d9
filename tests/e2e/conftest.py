"""The system as its users run it: real broker, real database, real processes."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.system import System


@pytest.fixture
def system(tmp_path: Path, kafka, topic_prefix: str) -> Generator[System]:
    """Start nothing yet; after a test that let all stages settle, compare what they left."""
    running = System(tmp_path, kafka.bootstrap_servers, topic_prefix)
    try:
        yield running
        if running.is_settled:
            assert running.money_differences() == []
            assert running.runner_differences() == []
    finally:
        running.close()
