"""The process around the steps, as a recorder keeps it with the run."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rnnprof
from rnnprof.recorder import vitals as signs
from rnnprof.recorder.vitals import VitalSigns, compiled_graphs
from rnnprof.vitals import Compiled, Failure
from tests.recorder.helpers import profile


class Lane:
    """What `VitalSigns` asks a lane for."""

    def __init__(self) -> None:
        self.track: Any = SimpleNamespace(lane=self)
        self.step = SimpleNamespace(root=None)
        self.roots: dict[str, Any] = {}
        self.dealt = self.dropped = 0


def looked(*steps: int, warmup: int = 5) -> VitalSigns:
    found, lane = VitalSigns(), Lane()
    for step in steps:
        lane.dealt = step + 16
        found.dealt(lane, 16, warmup)
    return found


def test_nothing_is_looked_at_before_the_warmup_is_over() -> None:
    vitals = looked(0, 4)
    assert vitals.found() is None
    vitals.end()
    assert vitals.found() is None


def test_what_a_run_has(monkeypatch: pytest.MonkeyPatch) -> None:
    class Courses:
        def __init__(self) -> None:
            self.steps: list[int] = []

        def look(self, step: int) -> None:
            self.steps.append(step)

        def found(self) -> tuple[int, ...]:
            return tuple(self.steps)

    monkeypatch.setattr(signs, "Courses", Courses)
    monkeypatch.setattr(signs, "Queueing", lambda: SimpleNamespace(found=lambda: "queue"))
    vitals = looked(0, 5, 21)
    lane = Lane()
    # A step that failed is none that was done.
    lane.dealt, lane.dropped = 53, 3
    vitals.dealt(lane, 16, 5)
    found = vitals.found()
    assert found is not None
    assert (found.memory, found.crowding, found.failure) == ((5, 21, 34), "queue", None)
    vitals.end()
    vitals.end()
    lane.dealt = 99
    vitals.dealt(lane, 16, 5)
    vitals.failed(ValueError("late"))
    assert vitals.found() == found


def test_what_breaks_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("no /proc")

    monkeypatch.setattr(signs, "Queueing", broken)
    vitals = looked(5)
    found = vitals.found()
    assert found is not None
    assert (found.memory, found.crowding) == ((), None)
    vitals.end()


def test_graphs_that_torch_compile_made(monkeypatch: pytest.MonkeyPatch) -> None:
    counters: dict[str, Counter[str]] = {}
    monkeypatch.setitem(sys.modules, "torch._dynamo.utils", SimpleNamespace(counters=counters))  # type: ignore[misc]
    assert compiled_graphs() == 0
    assert counters == {}
    vitals = looked(5)
    assert vitals.found().compiled is None  # type: ignore[union-attr]
    counters["stats"] = Counter(unique_graphs=2)
    assert vitals.found().compiled == Compiled(0, 2)  # type: ignore[union-attr]
    vitals.end()
    vitals = looked(5)
    counters["stats"]["unique_graphs"] = 3
    assert vitals.found().compiled == Compiled(2, 1)  # type: ignore[union-attr]
    counters.clear()
    assert vitals.found().compiled == Compiled(2, 0)  # type: ignore[union-attr]
    vitals.end()


def test_without_torch_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo.utils", raising=False)
    assert compiled_graphs() is None


def test_they_are_saved_while_the_program_runs(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json", clock="host", warmup=0, save_every=1e-9) as prof:
        for _ in range(3):
            with prof.step():
                pass
        running = rnnprof.load(tmp_path / "run.json")
        assert running.ended == "running"
        assert running.vitals is not None
    saved = rnnprof.load(tmp_path / "run.json")
    assert saved == prof.run
    assert saved.vitals is not None
    if sys.platform == "linux":
        assert saved.vitals.memory[0].place == "resident"
        assert saved.vitals.memory[0].steps[0] == 0


def test_only_the_training_of_the_main_thread_begins_them() -> None:
    with profile("host") as prof:
        with prof.lane("evaluate"), prof.step():
            pass
        assert prof.run.vitals is None
        with prof.step():
            pass
        assert prof.run.vitals is not None


def test_a_failure_is_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), rnnprof.profile(tmp_path / "run.json", clock="host"):
        raise ValueError("no")
    run = rnnprof.load(tmp_path / "run.json")
    assert run.ended == "ValueError"
    assert run.vitals is not None
    failure = run.vitals.failure
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.message) == ("ValueError", "no")
    assert failure.line is not None
    assert failure.line.source == 'raise ValueError("no")'
