"""Chromium without a window, for the tests in this folder.

Without it these tests are skipped, with the reason; set PANDA_TEST_CHROMIUM=required, as CI does
once it is installed, and they fail instead.
"""

import json
import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser, and what it says of the page that it shows."""

    driver: Chrome

    def show(self, page: Path, *, width: int, is_phone: bool = False) -> None:
        """Open a file in a window of so many pixels."""
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": is_phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        touch = {"enabled": is_phone}
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", touch)
        self.driver.get(page.as_uri())

    def ask(self, script: str, *arguments: object) -> Any:
        """What a piece of JavaScript returns; a promise is waited for."""
        return self.driver.execute_script(script, *arguments)

    def requests(self) -> tuple[Sequence[str], Sequence[str]]:
        """Addresses that pages asked for since the last call, and why some were not gone to.

        Those of the browser's own pages, which it begins with, are left out.
        """
        events: list[Mapping[str, Any]] = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        asked = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        blocked = [
            event["params"].get("blockedReason", "")
            for event in events
            if event["method"] == "Network.loadingFailed"
        ]
        return [url for url in asked if not url.startswith("chrome:")], blocked

    def complaints(self) -> Sequence[str]:
        """Errors and warnings of its console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def chromium() -> tuple[str, str]:
    """Where browser and driver are; skip, or fail where they are required, without them."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if found[0] is not None and found[1] is not None:
        return found[0], found[1]
    reason = "chromium or chromedriver is missing"
    if os.environ.get("PANDA_TEST_CHROMIUM") == "required":
        pytest.fail(f"{reason}, and PANDA_TEST_CHROMIUM=required", pytrace=False)
    pytest.skip(f"{reason}; `.ci/install-chromium` installs them on a Debian machine")


@pytest.fixture
def browser(chromium: tuple[str, str], tmp_path: Path) -> Generator[Browser]:
    """One with a new profile."""
    program, driver = chromium
    options = ChromeOptions()
    options.binary_location = program
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with Chrome(options=options, service=Service(driver)) as chrome:
        chrome.set_script_timeout(30)
        chrome.set_page_load_timeout(60)
        yield Browser(chrome)
