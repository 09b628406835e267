"""TensorBoard in this process, with torch-tb-profiler's plugin made to work offline."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import logging
import multiprocessing
import os
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("torch_tb_profiler")

from torch_tb_profiler import consts
from torch_tb_profiler import plugin as original

from rnnprof.errors import UsageError
from rnnprof.viewers import offline, tensorboard

PAGES = Path(original.__file__).parent / "static"


def write_trace(folder: Path, rank: int = 0) -> Path:
    """Three steps with a stage each, as the plugin likes them."""
    events: list[dict[str, Any]] = []
    for step in range(3):
        about = {"ph": "X", "pid": 1, "tid": 1, "ts": 1000 * step}
        events.append({**about, "cat": "user_annotation", "name": f"ProfilerStep#{step}", "dur": 900})
        events.append({**about, "cat": "cpu_op", "name": "forward", "ts": 1000 * step + 100, "dur": 500})
    folder.mkdir(exist_ok=True)
    file = folder / f"rank{rank}.1700000000000.pt.trace.json.gz"
    file.write_bytes(gzip.compress(json.dumps({"schemaVersion": 1, "traceEvents": events}).encode()))
    return file


class Watched(offline.OfflinePlugin):
    """Says which folders it has read."""

    def __init__(self, folder: Path) -> None:
        self.read: queue.Queue[str] = queue.Queue()
        super().__init__(SimpleNamespace(logdir=str(folder)))

    def _load(self, folder: str) -> None:
        super()._load(folder)
        self.read.put(folder)


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[tensorboard.Viewer]:
    write_trace(tmp_path / "run.trace")
    with contextlib.closing(tensorboard.serve(tmp_path / "run.trace")) as one:
        yield one


def get(viewer: tensorboard.Viewer, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    host = viewer.url.removeprefix("http://").rstrip("/")
    with contextlib.closing(http.client.HTTPConnection(host, timeout=60)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()


@pytest.mark.parametrize("name", ["index.html", "trace_embedding.html"])
def test_the_installed_pages_load_their_scripts_from_here(name: str) -> None:
    page = (PAGES / name).read_text(encoding="utf-8")
    address, route = offline.STAND_INS[name]
    assert page.count(f'src="{address}"') == 1
    assert offline.localised(name, page) == page.replace(address, route)


def test_a_page_of_another_version_is_left_alone_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert offline.localised("index.html", "<p>new</p>") == "<p>new</p>"
    assert [record.getMessage() for record in caplog.records] == [
        "torch-tb-profiler's index.html does not load https://www.gstatic.com/charts/loader.js: "
        "it is served unchanged"
    ]


def test_each_part_of_the_charts_is_served() -> None:
    scripts = {route: contents.decode() for route, contents in offline.scripts().items()}
    parts = re.search(r"const parts = \[(.*)\]", scripts["charts.js"])
    assert parts is not None
    named = {f"charts/{part}.js" for part in re.findall(r"'(\w+)'", parts[1])}
    for route, text in scripts.items():
        if route.startswith("charts/"):
            named |= {f"charts/{file}" for file in re.findall(r"from '\./(\w+\.js)'", text)}
    assert named == {route for route in scripts if route.startswith("charts/")}
    assert "@version 0.7.24" in scripts["webcomponents.min.js"]


def test_what_is_served_asks_nothing_of_others(viewer: tensorboard.Viewer) -> None:
    status, headers, page = get(viewer, "/data/plugin/pytorch_profiler/index.html")
    assert (status, "gstatic.com" in page, 'src="charts.js"' in page) == (200, False, True)
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    _, headers, page = get(viewer, "/data/plugin/pytorch_profiler/trace_embedding.html")
    assert "cdnjs" not in page
    for route, contents in offline.scripts().items():
        status, headers, text = get(viewer, f"/data/plugin/pytorch_profiler/{route}")
        assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
        assert text.encode() == contents


def test_it_listens_on_the_loopback_and_to_its_own_name_alone(viewer: tensorboard.Viewer) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", viewer.url)
    assert get(viewer, "/")[0] == 200
    status, headers, text = get(viewer, "/", Host="evil.example")
    assert (status, text, headers["X-Content-Type-Options"]) == (403, "", "nosniff")


def test_all_plugins_are_there_once(viewer: tensorboard.Viewer) -> None:
    plugins = json.loads(get(viewer, "/data/plugins_listing")[2])
    assert {"scalars", "rnnprof", "pytorch_profiler"} <= set(plugins)
    assert viewer.notices == []


def test_closing_leaves_no_thread_and_no_process(tmp_path: Path) -> None:
    write_trace(tmp_path)
    before = set(threading.enumerate())
    viewer = tensorboard.serve(tmp_path)
    host, port = viewer.url.removeprefix("http://").rstrip("/").split(":")
    # A browser keeps its connections.
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=60)) as connection:
        connection.request("GET", "/data/plugin/pytorch_profiler/runs")
        connection.getresponse().read()
        viewer.close()
    assert set(threading.enumerate()) == before
    assert multiprocessing.active_children() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
    viewer.close()
    viewer.wait()


def test_a_trace_is_read_in_this_process(tmp_path: Path) -> None:
    write_trace(tmp_path)
    with contextlib.closing(Watched(tmp_path)) as plugin:
        assert plugin.is_loading or plugin._runs
        plugin.read.get(timeout=60)
        assert multiprocessing.active_children() == []
    assert not plugin.is_loading
    (run,) = plugin._runs.values()
    assert run.workers == ["rank0"]
    rows = run.get_profile("rank0", "1").operation_table_by_name["data"]
    assert [(row["name"], row["calls"], row["host_total_duration"]) for row in rows] == [("forward", 3, 1500)]


def test_ranks_that_come_later_are_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(consts, "MONITOR_RUN_REFRESH_INTERNAL_IN_SECONDS", 0.01)
    folder = tmp_path / "run.trace"
    write_trace(folder)
    with contextlib.closing(Watched(tmp_path)) as plugin:
        plugin.read.get(timeout=60)
        write_trace(folder, rank=1)
        plugin.read.get(timeout=60)
    assert list(plugin._runs) == ["run.trace"]
    assert plugin._runs["run.trace"].workers == ["rank0", "rank1"]


def test_a_broken_trace_is_one_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "rank0.1.pt.trace.json.gz").write_bytes(gzip.compress(b"{"))
    with contextlib.closing(Watched(tmp_path)) as plugin:
        plugin.read.get(timeout=60)
    lines = [record for record in caplog.records if "Failed to parse" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info is None
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


def test_without_tensorboard_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UsageError, match=r'^TensorBoard cannot be loaded .*: pip install "rnnprof\[tensorb'):
        tensorboard.serve(tmp_path)


def test_without_the_plugin_the_rest_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "rnnprof.viewers.offline", None)
    with contextlib.closing(tensorboard.serve(tmp_path)) as viewer:
        assert len(viewer.notices) == 1
        assert re.search(r'torch-tb-profiler .*: pip install "rnnprof\[tensorboard\]"$', viewer.notices[0])
        assert "pytorch_profiler" not in json.loads(get(viewer, "/data/plugins_listing")[2])


def test_no_folder_and_a_taken_port_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing is no folder: give the one that holds the traces"):
        tensorboard.serve(tmp_path / "missing")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^port {port} cannot be used .*: give another one$"):
            tensorboard.serve(tmp_path, port)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_it(tmp_path: Path, ending: signal.Signals) -> None:
    """Neither after Ctrl-C nor after a kill, while a trace may still be read."""
    write_trace(tmp_path / "run.trace")
    passing = tmp_path / "passing"
    passing.mkdir()
    script = (
        "import sys, contextlib, pathlib\n"
        "from rnnprof.viewers import tensorboard\n"
        "viewer = tensorboard.serve(pathlib.Path(sys.argv[1]))\n"
        "with contextlib.suppress(KeyboardInterrupt), contextlib.closing(viewer):\n"
        "    print(viewer.url, flush=True)\n"
        "    viewer.wait()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run.trace")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(passing)},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0]
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        assert children.read_text().split() == []
        process.send_signal(ending)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert out == ""
    if ending == signal.SIGINT:
        assert (process.returncode, err) == (0, "")
        assert list(passing.iterdir()) == []
