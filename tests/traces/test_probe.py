"""The probed step: when it comes, what it leaves as it was, and what becomes of one that fails."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from marked_loop import loop

import rnnprof
from rnnprof.errors import UsageError
from rnnprof.model import Run
from rnnprof.probes import Probe
from rnnprof.traces.probe.hush import Hush, _level
from rnnprof.traces.probe.peaks import measured_peaks

STAGES = [(), ("forward",), ("forward", "rnn"), ("backward",), ("update",)]


def kinds(run: Run) -> dict[str, int]:
    train = run.lane("train")
    assert train is not None
    return {kind: steps.wall.count for kind, steps in train.steps.items()}


def probe_of(run: Run) -> Probe:
    assert run.probe is not None, run.notes
    return run.probe


def test_a_step_of_the_warmup_is_probed_where_the_run_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, control_every=0) as prof:
        loop(prof, 12)
    run = rnnprof.load(file)
    assert kinds(run) == {"warmup": 4, "probe": 1, "host": 7}
    probe = probe_of(run)
    assert (probe.step, probe.device) == (3, "cpu")
    assert [stage.path for stage in probe.stages] == STAGES
    assert [stage.calls for stage in probe.stages] == [1] * 5
    assert probe.total_ns == probe.stages[0].total_ns >= probe.stages[1].total_ns
    assert not run.notes
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.json"]


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"warmup": 0}, None),
        ({"warmup": 0, "probe": True}, 1),
        ({"warmup": 1}, 0),
        ({"warmup": 2}, 0),
        ({"warmup": 2, "trace": [0]}, 1),
        ({"probe": False}, None),
        ({"trace": [3, 4]}, 2),
        ({"warmup": 2, "trace": [0, 1]}, None),
    ],
)
def test_which_step_it_is(tmp_path: Path, options: dict[str, Any], step: int | None) -> None:
    with rnnprof.profile(tmp_path / "run.json", **options) as prof:
        loop(prof, 8)
    found = prof.run.probe
    assert (None if found is None else found.step) == step


def test_a_run_that_is_not_saved_is_probed_only_where_that_is_asked_for() -> None:
    for asked, step in ((None, None), (False, None), (True, 3)):
        with rnnprof.profile(None, probe=asked) as prof:
            loop(prof, 8)
        assert (None if prof.run.probe is None else prof.run.probe.step) == step


def test_what_needs_no_profiler_is_there_by_default(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json", control_every=0) as prof:
        for _ in range(6):
            with prof.step():
                with prof.stage("forward"):
                    loss = torch.ones(3).sum()
                with prof.stage("log"):
                    loss.item()
                    assert not torch.autograd._profiler_enabled()
                with prof.stage("log"):
                    float(loss)
    probe = probe_of(prof.run)
    assert [(stage.path, stage.calls) for stage in probe.stages] == [
        ((), 1),
        (("forward",), 1),
        (("log",), 2),
    ]
    assert [(wait.path, wait.way) for wait in probe.waits] == [(("log",), "item"), (("log",), "number")]
    assert (probe.work, probe.uncounted) == ((), ())
    if Path("/proc/self/statm").exists():
        assert [(one.path, one.place) for one in probe.memory] == [
            ((), "resident"),
            (("forward",), "resident"),
            (("log",), "resident"),
        ]
    assert rnnprof.load(tmp_path / "run.json").probe == probe


def test_memory_of_a_step() -> None:
    with rnnprof.profile(None, probe=True) as prof:
        loop(prof, 8, size=256)
    found = {(one.path, one.place): one for one in probe_of(prof.run).memory}
    matrix = 256 * 256 * 4
    # A product lives until its tanh, or its sum, is there; beside them a few scalars.
    peak = found[("forward",), "cpu"].peak_bytes
    assert peak is not None
    assert 2 * matrix <= peak < 2 * matrix + 64
    assert found[("forward", "rnn"), "cpu"].allocated_bytes == matrix
    assert found[("update",), "cpu"].allocated_bytes == -matrix
    if Path("/proc/self/statm").exists():
        assert {one.name for one in probe_of(prof.run).places} == {"cpu", "resident"}


def test_it_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plain = loop(rnnprof, 12)
    state = torch.get_rng_state()
    before = (dict(os.environ), dict(vars(torch.Tensor)), dict(vars(torch)), open_files())
    profiler = dict(vars(torch.autograd.profiler.profile))
    with rnnprof.profile(tmp_path / "run.json", trace=range(6, 8)) as prof:
        probed = loop(prof, 12)
    assert torch.equal(plain, probed)
    assert torch.equal(state, torch.get_rng_state())
    assert capfd.readouterr() == ("", "")
    assert (dict(os.environ), dict(vars(torch.Tensor)), dict(vars(torch)), open_files()) == before
    assert dict(vars(torch.autograd.profiler.profile)) == profiler


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_releases_of_what_was_allocated_before_say_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    kept = [torch.ones(100) for _ in range(3000)]
    with (
        rnnprof.profile(None, probe=True, warmup=1, control_every=0) as prof,
        prof.step(),
        prof.stage("free"),
    ):
        kept.clear()
    probe_of(prof.run)
    assert capfd.readouterr() == ("", "")


def test_the_level_of_torchs_library_is_put_back() -> None:
    level = _level(Path(torch.__file__).parent / "lib")
    assert isinstance(level, ctypes.c_int)
    before = level.value
    hush = Hush(torch)
    hush.start()
    assert level.value >= 2
    hush.stop()
    hush.stop()
    assert level.value == before


def test_a_torch_without_such_a_level(tmp_path: Path) -> None:
    assert _level(tmp_path) is None
    (tmp_path / "libc10.so").write_bytes(b"no library")
    assert _level(tmp_path) is None


def test_a_program_without_torch(tmp_path: Path) -> None:
    """A process of its own: this one has loaded torch."""
    program = (
        "import rnnprof, sys\n"
        "with rnnprof.profile(sys.argv[1], control_every=0) as prof:\n"
        "    for _ in range(8):\n"
        "        with prof.step(): pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    file = tmp_path / "run.json"
    subprocess.run([sys.executable, "-c", program, str(file)], check=True)
    run = rnnprof.load(file)
    assert kinds(run) == {"warmup": 5, "host": 3}
    assert run.probe is None
    assert not run.notes


def test_a_step_that_fails() -> None:
    with rnnprof.profile(None, probe=True, warmup=1, control_every=0) as prof:
        with pytest.raises(KeyError), prof.step(), prof.stage("forward"):
            raise KeyError
        loop(prof, 2)
    assert prof.run.probe is None
    messages = [note["message"] for note in prof.run.notes if note["code"] == "probe_failed"]
    assert messages == ["the step that was to be looked at did not end well"]


def test_a_program_that_profiles_itself() -> None:
    with torch.profiler.profile() as own, rnnprof.profile(None, probe=True) as prof:
        loop(prof, 8)
    assert {one.key: one.count for one in own.key_averages()}["aten::tanh"] == 8
    # What needs no profiler is there all the same.
    assert (probe_of(prof.run).work, bool(probe_of(prof.run).stages)) == ((), True)
    (note,) = prof.run.notes
    assert note["code"] == "probe_failed"
    assert "the program runs a profiler of torch itself" in note["message"]


def test_a_program_that_begins_to_profile_itself_in_the_probed_step() -> None:
    with rnnprof.profile(None, probe=True, warmup=1, control_every=0) as prof:
        with prof.step(), prof.stage("forward"), torch.profiler.profile() as own:
            torch.tanh(torch.ones(3))
        loop(prof, 2)
    assert [one.count for one in own.key_averages() if one.key == "aten::tanh"] == [1]
    # What needs no profiler is there all the same.
    assert (probe_of(prof.run).work, bool(probe_of(prof.run).stages)) == ((), True)
    assert [note["code"] for note in prof.run.notes] == ["probe_failed"]


def test_with_cprofile_its_work_is_nobodys(tmp_path: Path) -> None:
    import pstats

    with rnnprof.profile(tmp_path / "run.json", cprofile=True) as prof:
        loop(prof, 30)
    assert prof.run.probe is not None
    counted: Any = pstats.Stats(str(tmp_path / "run.loop.prof"))
    assert not {"memory", "find", "entries", "export_chrome_trace"} & {key[2] for key in counted.stats}


def test_the_command_line_can_leave_it_out(tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text(
        "import torch\n"
        "w = torch.ones(4, 4, requires_grad=True)\n"
        "for i in range(9):\n"
        "    loss = (w @ w).sum()\n"
        "    loss.backward()\n"
        "    w.data.add_(w.grad, alpha=-0.1)\n"
        "    w.grad = None\n"
    )
    for options, probed in (([], True), (["--no-probe"], False)):
        command = [sys.executable, "-m", "rnnprof", "run", "--no-report", *options, "main.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert (done.stdout, (rnnprof.load(tmp_path / "run.json").probe is not None)) == ("", probed), (
            done.stderr
        )


def test_what_the_machine_can_do_is_measured_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rnnprof.traces.probe.peaks.PRODUCT", {"cpu": 64})
    monkeypatch.setattr("rnnprof.traces.probe.peaks.COPIED", {"cpu": 1 << 12})
    monkeypatch.setattr("rnnprof.traces.probe.peaks.BUDGET_NS", 0)
    with rnnprof.profile(None, probe="peaks") as prof:
        loop(prof, 8)
    peaks = prof.run.environment["peaks"]
    assert peaks.keys() == {"flops", "bytes"}
    assert peaks["flops"].keys() == {"float32"}
    assert peaks["bytes"] > 0


def test_a_type_without_matrix_products_has_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnprof.traces.probe.peaks.PRODUCT", {"cpu": 64})
    monkeypatch.setattr("rnnprof.traces.probe.peaks.COPIED", {"cpu": -1})
    monkeypatch.setattr("rnnprof.traces.probe.peaks.BUDGET_NS", 0)
    state = torch.get_rng_state()
    found = measured_peaks(torch, "cpu", ["bool", "float64", "no_such_type"])
    assert torch.equal(state, torch.get_rng_state())
    assert found.keys() == {"flops"}
    assert found["flops"].keys() == {"float64"}


def test_a_probe_that_is_none_of_these() -> None:
    with pytest.raises(UsageError, match="probe='yes' is not known: give True, False or 'peaks'"):
        rnnprof.profile(None, probe="yes")
