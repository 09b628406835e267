"""TensorBoard as it comes, on the folder of a run's traces: everything is there without our launcher."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorboard")


@pytest.fixture(scope="module")
def address(traced_run: Path) -> Iterator[str]:
    """The address of a `tensorboard` command that serves the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = traced_run.with_suffix(".trace")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(r"at http://\S+", line):
            break
    else:
        pytest.fail("TensorBoard did not start")
    yield f"http://127.0.0.1:{port}/"
    process.terminate()
    process.stderr.close()
    process.wait()


def ask(address: str, what: str) -> Any:
    with urllib.request.urlopen(f"{address}data/{what}") as answer:
        return json.load(answer)


def test_our_tab_and_torchs_plugin_are_there(address: str) -> None:
    plugins = ask(address, "plugins_listing")
    assert plugins["rnnprof"]["enabled"]
    assert "pytorch_profiler" in plugins


def test_our_tab_lists_the_run(address: str) -> None:
    assert "run.json" in json.dumps(ask(address, "plugin/rnnprof/runs"))


def test_scalars_are_there_for_those_who_lack_our_tab(address: str) -> None:
    (tags,) = ask(address, "plugin/scalars/tags").values()
    assert {"step ms", "stage ms/forward", "stage ms/forward/rnn", "share %/backward"} <= set(tags)
