"""Every test here runs on the fixture of every version."""

from pathlib import Path

import pytest

from tests.support.golden import VERSIONS, Golden


@pytest.fixture(params=VERSIONS)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    found = Golden(request.param, tmp_path)
    found.unpack()
    return found
