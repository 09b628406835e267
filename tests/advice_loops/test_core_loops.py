"""Small loops and the advice on them: batches that are waited for, and cores that are."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import rnnprof
from rnnprof import environment
from rnnprof.analysis.advice.advise import advise
from rnnprof.analysis.advice.crowding import threads
from rnnprof.analysis.advice.loading import input, workers
from rnnprof.model import Run
from rnnprof.recorder import vitals
from rnnprof.recorder.queueing import Queueing
from rnnprof.testing import FakeClock
from tests.advice_runs import found

MS = 1_000_000
OWN, OTHER = 7, 8


def fetched(clock: FakeClock, fetch_ms: int) -> Run:
    """A loop of which every step fetches its batch for so long, and computes for 80 ms."""
    with rnnprof.profile(None, clock=clock) as prof:
        for _ in range(60):
            with prof.step():
                with prof.stage("get_batch"):
                    clock.advance(fetch_ms * MS)
                with prof.stage("forward"):
                    clock.advance(80 * MS)
    return prof.run


def test_a_step_that_waits_for_its_batch(clock: FakeClock) -> None:
    (one,) = found(input, fetched(clock, 20))
    assert (one.stage, one.saving) == (("get_batch",), pytest.approx(0.2))


def test_a_step_that_hardly_waits_for_its_batch(clock: FakeClock) -> None:
    assert found(input, fetched(clock, 4)) == ()


def loaded(folder: Path, number: int) -> Run:
    """A loop over a DataLoader with so many workers."""
    model = nn.Linear(3, 1)
    loader = DataLoader(TensorDataset(torch.randn(40, 3)), batch_size=2, num_workers=number)
    with rnnprof.profile(folder / "run.json") as prof:
        for (x,) in prof.steps(loader):
            model.zero_grad()
            model(x).sum().backward()
    return rnnprof.load(folder / "run.json")


# Python 3.12 warns of a fork beside threads.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("cores", "titles"), [(1, 1), (64, 0)])
def test_workers_share_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, titles: int
) -> None:
    monkeypatch.setattr(environment, "_usable", lambda: cores)
    advice = found(workers, loaded(tmp_path, 2))
    assert [one.title for one in advice] == [
        "The DataLoader's workers and torch's threads are more than the cores"
    ] * titles


def counted(folder: Path, waited_ms: int) -> None:
    """What Linux would have counted: both threads ran for 80 ms, and stood in line for so long."""
    for number in (OWN, OTHER):
        place = folder / str(number)
        place.mkdir(exist_ok=True)
        (place / "schedstat").write_text(f"{80 * MS} {waited_ms * MS} 9")


@pytest.mark.parametrize(("waited_ms", "keys"), [(20, ["threads"]), (1, [])])
def test_threads_that_stand_in_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FakeClock, waited_ms: int, keys: list[str]
) -> None:
    (tmp_path / str(OWN)).mkdir()
    (tmp_path / str(OWN) / "schedstat").write_text("0 0 0")
    monkeypatch.setattr(vitals, "Queueing", partial(Queueing, str(tmp_path), clock.now, OWN))
    with rnnprof.profile(None, clock=clock) as prof:
        for _ in range(55):
            with prof.step(), prof.stage("forward"):
                clock.advance(2 * MS)
        counted(tmp_path, waited_ms)
    assert [one.key for one in found(threads, prof.run)] == keys
    assert "threads" in advise(prof.run).checked
