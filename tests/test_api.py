"""The Python API of docs/api.md: load, breakdown, advise, compare, to_frame."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import rnnprof
from rnnprof import frames
from rnnprof.analysis.advice.advise import CHECKS, examined
from tests.run_builder import word_language_model

DOCS = Path(__file__).parent.parent / "docs" / "api.md"


def test_from_files_to_a_verdict(tmp_path: Path) -> None:
    for seed in (1, 2):
        rnnprof.save(word_language_model(seed=seed), tmp_path / f"{seed}.json")
    run = rnnprof.load(tmp_path / "1.json")
    assert rnnprof.breakdown(run).step is not None
    assert rnnprof.breakdown(tmp_path / "1.json") == rnnprof.breakdown(run)
    assert rnnprof.advise(str(tmp_path / "1.json")) == rnnprof.advise(run)
    with pytest.raises(rnnprof.UsageError, match="give a run, or the path of its file, not 5"):
        rnnprof.advise(5)  # type: ignore[arg-type]
    found = rnnprof.compare(run, tmp_path / "2.json")
    assert found.step.verdict == "no difference shown"
    assert {stage.name for stage in found.stages} >= {"forward", "backward", "other"}


def test_the_frame_has_a_row_for_each_stage_and_kind() -> None:
    pytest.importorskip("pandas")
    run = word_language_model()
    frame = run.to_frame()
    assert tuple(frame.columns) == frames.COLUMNS
    row = frame[(frame.lane == "train") & (frame.kind == "host") & (frame.path == "forward/rnn")].iloc[0]
    rnn = next(stage for stage in run.lanes[1].steps["host"].stages if stage.name == "forward").stages[1]
    assert (row["count"], row.total_ns, row.self_ns) == (200, rnn.series.total_ns, rnn.self_ns)
    assert row.per_step_ns == rnn.series.total_ns / 200
    steps = frame[(frame.lane == "train") & (frame.path == "") & (frame.kind != "")]
    assert list(steps.kind) == ["warmup", "host", "control"]
    assert list(steps["count"]) == [10, 200, 10]
    inside = frame[(frame.lane == "train") & (frame.kind == "host")]
    assert inside.self_ns.sum() == run.lanes[1].steps["host"].series.total_ns
    whole = frame[(frame.lane == "train") & (frame.kind == "")]
    assert whole.self_ns.sum() + run.lanes[1].steps_ns == run.lanes[1].series.total_ns


def test_without_pandas_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(rnnprof.UsageError, match=r"^to_frame\(\) needs pandas: pip install pandas$"):
        word_language_model().to_frame()


def test_the_examples_of_the_docs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("run", "before", "after", "a1", "a2", "b1", "b2")):
        rnnprof.save(word_language_model(steps=60, seed=seed), f"{name}.json")
    examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert examples
    names: dict[str, object] = {}
    for example in examples:
        exec(example, names)


def test_every_check_of_the_advice_is_in_the_docs() -> None:
    text = (DOCS.parent / "advice.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == list(CHECKS)


def test_advice() -> None:
    run = word_language_model()
    assert rnnprof.advise(run) == examined(run).advice
    assert {*rnnprof.advise(run).checked, *(one.key for one in rnnprof.advise(run).silent)} == set(CHECKS)
