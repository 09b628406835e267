"""What is said of all findings: their order, and which of them say the same."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from rnnprof.analysis.advice import advise as module
from rnnprof.analysis.advice.advise import CHECKS, COVERS, advise
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Case, Check
from rnnprof.anatomy import Anatomy, Loader
from rnnprof.network import Parameters
from rnnprof.vitals import Crowding, Vitals
from tests.advice_runs import a_run
from tests.recurrent_calls import layer


def finds(key: str, saving: float | None, urgent: bool = False) -> Check:
    def check(case: Case) -> Iterable[Finding]:
        return [Finding(key, key, "It is so.", "Change it.", "Look.", saving, urgent=urgent)]

    return check


def keys(monkeypatch: pytest.MonkeyPatch, *checks: tuple[str, float | None, bool]) -> list[str]:
    """What is left of such findings, best first."""
    monkeypatch.setattr(module, "CHECKS", {key: finds(key, saving, urgent) for key, saving, urgent in checks})
    return [one.key for one in advise(a_run()).findings]


def test_urgent_ones_come_first_then_what_saves_most(monkeypatch: pytest.MonkeyPatch) -> None:
    some = (("a", 0.1, False), ("b", None, False), ("c", 0.01, True), ("d", 0.3, False), ("e", 0.019, False))
    assert keys(monkeypatch, *some) == ["c", "d", "a", "b"]


def test_what_a_finding_explains_is_not_said_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, covered in COVERS.items():
        assert {key, *covered} <= set(CHECKS)
        # Whatever the other would save, and only while there is the one.
        for other in covered:
            assert keys(monkeypatch, (other, 0.9, True), (key, 0.1, False)) == [key]
            assert keys(monkeypatch, (other, 0.9, True), (key, 0.01, False)) == [other]


def test_double_precision_is_said_once() -> None:
    lstm = layer(path=("forward",), dtype="float64", way="composed")
    anatomy = Anatomy(recurrent=(lstm,), parameters=(Parameters("float64", "cpu", 4, 900),))
    advice = advise(a_run(anatomy=anatomy, environment={"onednn_enabled": True}))
    assert [one.key for one in advice.findings] == ["float64"]
    assert "fast_path" in advice.checked


def test_workers_that_crowd_the_training_are_said_once() -> None:
    anatomy = Anatomy(loaders=(Loader(8, 20, 2000, False, False, False),))
    vitals = Vitals(crowding=Crowding(10_000, 2, 15_000, 5_000, 2_000))
    advice = advise(a_run(anatomy=anatomy, vitals=vitals, environment={"cpus_usable": 2}))
    assert [one.key for one in advice.findings] == ["workers"]
