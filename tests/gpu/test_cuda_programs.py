"""Whole programs on a real accelerator: they compute the same, and `rnnprof run` needs no edit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnnprof
from benchmarks.gpu_parts.derived import unmarked
from tests.gpu.on_device import DEVICE, MARKS, counts, shares

torch = pytest.importorskip("torch")
pytestmark = MARKS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "word_language_model" / "main.py"
MODELS = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU", "Transformer")


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python process that finds this tree, and in which cuBLAS repeats itself."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bool]]:
    program, folder = Path(__file__).with_name("same_losses.py"), tmp_path_factory.mktemp("same")
    found: dict[str, dict[str, bool]] = json.loads(
        started(str(program), DEVICE, str(folder)).stdout.splitlines()[-1]
    )
    return found


@pytest.mark.parametrize("model", MODELS)
def test_every_model_trains_the_same_to_the_bit(compared: dict[str, dict[str, bool]], model: str) -> None:
    found = compared[model]
    assert found["finite"]
    if not found["repeats"]:
        pytest.skip("two trainings without rnnprof differ: this card's kernels do not repeat themselves")
    assert found["same"]


OPTIONS = ["--data", "zipf:1000:60000", "--emsize", "64", "--nhid", "64", "--bptt", "16"]
OPTIONS += ["--epochs", "1", "--steps", "80", "--device", DEVICE]


def check(file: Path, done: subprocess.CompletedProcess[str]) -> None:
    """The run is of a device, by its events, in the stages of the example."""
    assert "perplexity" in done.stdout
    run = rnnprof.load(file)
    assert run.ended == "finished"
    assert run.environment["device"] == torch.cuda.get_device_name()
    assert {"cuda", "cudnn"} <= run.environment.keys()
    assert counts(run)["event"] > 40
    found = shares(run, "event")
    assert {"forward", "loss", "backward", "clip", "update"} <= found.keys()
    assert 0.5 < sum(found.values()) <= 1.001
    assert run.probe is not None
    assert run.probe.device == DEVICE


def test_the_example_is_timed_by_the_device(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    check(file, started(str(EXAMPLE), *OPTIONS, "--profile", str(file)))


def test_a_program_without_marks_is_timed_by_the_device(tmp_path: Path) -> None:
    for name in ("data.py", "model.py", "main.py"):
        source = EXAMPLE.with_name(name).read_text(encoding="utf-8")
        source = source.replace("step.tokens = data.numel()", "pass")
        (tmp_path / name).write_text(unmarked(source), encoding="utf-8")
    file = tmp_path / "run.json"
    script = str(tmp_path / "main.py")
    check(file, started("-m", "rnnprof", "run", "-o", str(file), script, *OPTIONS, "--profile", ""))


def test_the_benchmark_says_what_the_card_is(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    script = str(ROOT / "benchmarks" / "gpu.py")
    done = started(script, "--only", "marks", "--minutes", "0.3", "--json", str(file))
    assert torch.cuda.get_device_name() in done.stdout
    found = json.loads(file.read_text())
    assert found["failed"] == {}
    assert found["machine"]["card"] == torch.cuda.get_device_name()
    assert found["parts"]["marks"].keys() >= {"a bare event, recorded", "a stage by events: two marks"}
