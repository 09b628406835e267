"""`benchmarks/gpu.py` where there is no accelerator: its dry run walks every way but the card's own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rnnprof.model import walk
from tests import capture_builder

torch = pytest.importorskip("torch")

from benchmarks.gpu_parts import bench, readings, training  # noqa: E402
from benchmarks.gpu_parts.card import Card  # noqa: E402
from benchmarks.gpu_parts.derived import derived  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("artefact", "agreement", "perturbation", "cells", "models", "marks")


def started(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The benchmark as a process."""
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *options]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)


def test_the_dry_run_goes_through(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    done = started("--device", "cpu", "--traceback", "--json", str(file))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "6 of 6 parts went through" in done.stdout
    found = json.loads(file.read_text())
    assert found["failed"] == {}
    assert tuple(found["parts"]) == PARTS
    machine = {"card", "driver", "CUDA", "cuDNN", "torch", "Python", "date", "command"}
    assert machine <= found["machine"].keys()
    assert set(found["parts"]["artefact"]) >= set(training.CLIPS)
    (agreement,) = (part for name, part in found["parts"]["agreement"].items() if name.startswith("LSTM"))
    assert tuple(agreement["stages"]) == (*training.STAGES, "step")
    costs = [found["parts"]["perturbation"][what] for what in ("the default size", "a step near 1.4 ms")]
    assert all(tuple(cost["ratios"]) == ("host", "sync", "event", "auto") for cost in costs)
    names = {f"{model}-{precision}" for model in training.MODELS for precision in ("fp32", "bf16")}
    assert names <= found["parts"]["models"].keys()
    assert all(len(line.split("|")) > 3 for line in done.stdout.splitlines() if line.startswith("|"))


def test_a_part_without_time_fails_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    done = started("--device", "cpu", "--only", "marks", "--minutes", "0", "--json", str(file))
    assert done.returncode == 1
    assert "**Failed: no time was left**" in done.stdout
    assert json.loads(file.read_text())["failed"] == {"marks": "no time was left"}


def test_without_a_card_it_says_so() -> None:
    done = started(CUDA_VISIBLE_DEVICES="")
    assert (done.returncode, done.stdout) == (2, "")
    assert "torch sees no CUDA device: give --device cpu for a dry run" in done.stderr


# ---- the same step with marks, without, and timed by hand --------------------------------------


@pytest.fixture
def given(tmp_path: Path) -> bench.Bench:
    return bench.Bench(Card("cpu"), tiny=True, folder=tmp_path, seconds=60)


def losses(given: bench.Bench, kind: str) -> float:
    work = training.Training(training.TINY, given.card)
    if kind == "marked":
        with given.profile(clock="event") as prof:
            training.run(work, 8, prof)
    else:
        training.run(work, 8, dict.fromkeys(training.STAGES, 0.0) if kind == "by hand" else None)
    return float(work.losses)


def test_the_step_is_the_same_with_and_without_marks(given: bench.Bench) -> None:
    assert losses(given, "marked") == losses(given, "plain") == losses(given, "by hand")


def test_what_is_derived_has_no_marks() -> None:
    assert {"step", "stage"} <= set(training.marked_step.__code__.co_names)
    for made in (training.plain_step, training.step_by_hand):
        assert not {"step", "stage"} & set(made.__code__.co_names)
    models = {marked: training.example(marked).RecurrentModel.forward.__code__ for marked in (True, False)}
    assert "stage" in models[True].co_names
    assert "stage" not in models[False].co_names


def test_what_is_not_a_mark_stays() -> None:
    def both(prof: Any, entered: Any) -> list[str]:
        seen = []
        with prof.stage("a"), entered:
            seen.append("inside")
        with entered:
            seen.append("plain")
        return seen

    class Entered:
        count = 0

        def __enter__(self) -> None:
            Entered.count += 1

        def __exit__(self, *error: object) -> None:
            return None

    assert derived(both)(None, Entered()) == ["inside", "plain"]
    assert Entered.count == 2


def test_every_stage_is_timed_by_hand(given: bench.Bench) -> None:
    seconds = dict.fromkeys(training.STAGES, 0.0)
    training.run(training.Training(training.TINY, given.card), 3, seconds)
    assert all(spent > 0 for spent in seconds.values())


# ---- what is read off a run --------------------------------------------------------------------


def test_kernels_of_child_stages_count_to_the_outermost() -> None:
    own = {(): 1000, ("forward",): 0, ("forward", "rnn"): 40_000, ("backward",): 80_000}
    trace = capture_builder.trace_of(own, steps=4, device=True)
    found = readings.kernels(trace)
    by_path = {stage.path: stage for stage in trace.stages}
    rnn, backward = by_path["forward", "rnn"], by_path["backward",]
    assert found["forward"] == (rnn.launches / 4, rnn.busy_ns / 4, rnn.gap_ns / 4)
    assert found["step"][1] == sum(stage.busy_ns for stage in trace.stages) / 4
    assert found["backward"][2] == backward.gap_ns / 4 > 0
    assert readings.kernels(capture_builder.trace_of(own)) == {}


def test_shares_and_means_are_those_of_the_run(given: bench.Bench) -> None:
    with given.profile(clock="auto") as prof:
        training.run(training.Training(training.TINY, given.card), 100, prof)
    steps = prof.run.lane("train").steps["event"]
    stages = {path: stage for path, stage in walk(steps.stages) if len(path) == 1}
    shares, means = readings.shares(prof.run, "event"), readings.means(prof.run, "event")
    assert tuple(shares) == training.STAGES
    for (name,), stage in stages.items():
        assert shares[name] == stage.series.total_ns / steps.series.total_ns
        assert means[name] == stage.series.total_ns / steps.series.count
    ratio = readings.compared(prof.run, "forward", "event", "host")
    assert ratio is not None
    assert ratio[0] == pytest.approx(means["forward"] / readings.means(prof.run, "host")["forward"])
    assert ratio[1] <= ratio[0] <= ratio[2]


def test_a_table_and_its_numbers() -> None:
    assert bench.table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert bench.ms(None) == bench.percent(None) == bench.between(None) == "–"
    assert bench.ms(1_234_567) == "1.235"
    assert bench.percent(0.256) == "25.6 %"
    assert bench.between((1.0, 0.99, 1.01), 2) == "1.00 (0.99 to 1.01)"
    assert bench.reason(ValueError("one\ntwo")) == "ValueError: one"


# ---- what is concluded -------------------------------------------------------------------------


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives a part of the benchmark by its name, as the program finds it."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return lambda name: importlib.import_module(f"benchmarks.gpu_parts.{name}")


@pytest.mark.parametrize(
    ("floor", "each", "bptt", "reached"),
    [
        (0.5e6, 20_000, range(35, 56), True),
        (0.0, 1_000, range(1200, 1601), True),
        (1.3e6, 10_000, range(1, 31), True),
        (3.0e6, 10_000, range(1, 2), False),
    ],
)
def test_a_short_step_is_found(
    parts: Any,
    monkeypatch: pytest.MonkeyPatch,
    given: bench.Bench,
    floor: float,
    each: float,
    bptt: range,
    reached: bool,
) -> None:
    """The step's time is a straight line over the number of time steps."""
    perturbation = parts("perturbation")
    monkeypatch.setattr(perturbation, "_step", lambda _, length: floor + each * length)
    given.tiny = False
    sizes, found = perturbation._short(given)
    assert found == reached
    assert sizes.bptt in bptt


def test_the_goal_is_missed_only_where_the_interval_says_so(parts: Any) -> None:
    agreement, perturbation = parts("agreement"), parts("perturbation")
    judged = [agreement._judged({"sync": ratio, "kernels": None}) for ratio in (
        (1.0, 0.99, 1.01), (1.03, 1.01, 1.05), (1.05, 1.03, 1.07), (0.9, 0.88, 0.92), None)]  # fmt: skip
    assert judged == ["yes", "not resolved", "no", "no", "–"]
    costs = [perturbation._judged(ratio, 0.01) for ratio in (
        (1.005, 1.001, 1.009), (1.01, 0.99, 1.03), (1.03, 1.02, 1.04))]  # fmt: skip
    assert costs == ["yes", "not resolved", "no"]


def test_the_artefact_is_seen_on_a_device_that_lags(
    parts: Any, monkeypatch: pytest.MonkeyPatch, given: bench.Bench
) -> None:
    """Where the clocks blame different stages, it says so; where they agree, it says that."""
    artefact = parts("artefact")
    blamed = {"host": "clip", "event": "backward", "sync": "backward"}

    def shares(run: Any, kind: str) -> dict[str, float]:
        return {stage: 0.6 if stage == blamed[kind] else 0.05 for stage in training.STAGES}

    monkeypatch.setattr(artefact, "shares", shares)
    found = artefact.measure(given)
    assert found.flags == []
    assert found.markdown().count("The host clock blames clip; by the device's own time it is backward.") == 3
    blamed["host"] = "backward"
    found = artefact.measure(given)
    assert len(found.flags) == 1
    assert found.flags[0].startswith("not reproduced with ")
