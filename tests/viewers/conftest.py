"""A real browser without a network, and a real run with its traces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


class Browser:
    """Headless Chromium that reaches this machine alone.

    Args:
        driver: selenium's.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        """Go to a page."""
        self.driver.get(address)

    def wait(self, script: str, seconds: float = 150) -> Any:
        """What a JavaScript expression gives, as soon as it is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds, poll_frequency=0.1).until(
            lambda driver: driver.execute_script(f"return {script}"), f"never true: {script}"
        )

    def text(self) -> str:
        """The words that the page shows."""
        return str(self.driver.execute_script("return document.body.innerText"))

    def asked_elsewhere(self) -> list[str]:
        """Addresses that pages have asked for so far, this machine's left out."""
        asked = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if address.startswith(("http", "ws")) and "://127.0.0.1" not in address:
                    asked.append(address)
        return asked

    def errors(self) -> list[str]:
        """What pages have complained of on the console so far."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def picture(self, file: Any) -> None:
        """Save a screenshot as a PNG."""
        self.driver.save_screenshot(str(file))


@pytest.fixture(scope="session")
def _driver() -> Iterator[Any]:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium and chromedriver are needed where CI=true")
        pytest.skip("needs chromium and chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--window-size=1400,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def browser(_driver: Any) -> Iterator[Browser]:
    """A browser with an empty page and empty logs."""
    _driver.get("about:blank")
    for log in ("performance", "browser"):
        _driver.get_log(log)
    yield Browser(_driver)
    _driver.get("about:blank")


@pytest.fixture(scope="session")
def traced_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run file of a small LSTM's training, with all traces beside it."""
    folder = tmp_path_factory.mktemp("traced")
    command = [sys.executable, "-m", "rnnprof", "run", "-o", "run.json", "--no-report", "--cprofile"]
    command += ["--trace", "--record-shapes", "--profile-memory", str(HERE / "tiny_lstm.py")]
    return run_in(folder, command)


@pytest.fixture(scope="session")
def run_with_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run file of the same training, its trace with Python's calls and torch's modules."""
    folder = tmp_path_factory.mktemp("modules")
    command = [sys.executable, "-m", "rnnprof", "run", "-o", "run.json", "--no-report"]
    command += ["--with-stack", str(HERE / "tiny_lstm.py")]
    return run_in(folder, command)


def run_in(folder: Path, command: list[str]) -> Path:
    """Run a command that records a run; what torch itself may say of memory is no fault."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "CPUAllocator.cpp" not in line]
    assert (done.returncode, said) == (0, [])
    return folder / "run.json"
