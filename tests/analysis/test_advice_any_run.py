"""No check fails, whatever a run holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnprof.analysis.advice.advise import CHECKS
from rnnprof.analysis.advice.case import Abstain, Case, Check
from rnnprof.analysis.breakdown import breakdown
from rnnprof.anatomy import Anatomy, OneByOne, OptimizerStep, Padding
from rnnprof.model import Run
from rnnprof.network import Graph, Output, Parameters, Recurrent
from rnnprof.vitals import Vitals
from tests.advice_runs import STAGES, a_run
from tests.anatomy_builder import ANATOMIES, VITALS, parts
from tests.probe_builder import probes
from tests.run_builder import runs

SLOW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FACTS: tuple[dict[str, Any], ...] = (
    {},
    {"cpus_usable": 2, "threads": 8, "cudnn": 91002, "onednn_enabled": True, "cudnn_benchmark": True},
    {"cpus_usable": True, "threads": "8", "cudnn": [], "cudnn_enabled": False, "onednn_enabled": False},
    {"cpus_usable": -1, "threads": -1, "load_average": ["x"], "env": 3},
)


def examine(check: Check, case: Case) -> None:
    """A check finds something, and says it in sentences, or abstains with one."""
    try:
        findings, said = list(check(case)), "."
    except Abstain as reason:
        findings, said = [], str(reason)
    assert said.endswith(".")
    for one in findings:
        assert one.saving is None or one.saving >= 0
        assert all(text.endswith(".") for text in (one.evidence, one.change, one.check))
        assert one.bound.endswith(".") or not one.bound
        assert one.title
        assert not one.title.endswith(".")


def tried(run: Run) -> None:
    """Examine a run with all checks."""
    case = Case(run, breakdown(run))
    for check in CHECKS.values():
        examine(check, case)


def some(kind: type, /, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A few of a class."""
    return st.lists(parts(kind, **given), max_size=3).map(tuple)


PATHS = st.sampled_from(
    ((), ("update",), ("forward",), ("forward", "decoder"), ("forward", "decoder", "rnn"), ("backward",))
)
DTYPES = st.sampled_from(("float32", "float64", "bfloat16", "\x1b"))
DEVICES = st.sampled_from(("cpu", "cuda", "cuda:0", "mps", ""))
KINDS = st.sampled_from(("lstm", "gru", "rnn_tanh", "lstm_cell", "gru_cell", "rnn_relu_cell", "x", ""))
SEEN = parts(
    Anatomy,
    graph=st.just(Graph(9, 0, 0, 99, (("ConvolutionBackward", 2),), False, None)) | st.none(),
    recurrent=some(
        Recurrent, path=PATHS, kind=KINDS, dtype=DTYPES, device=DEVICES,
        directions=st.sampled_from((1, 2)), way=st.sampled_from(("composed", "cudnn", "")),
    ),
    parameters=some(Parameters, dtype=DTYPES, device=DEVICES),
    output=st.none() | parts(Output),
    optimizers=some(OptimizerStep, path=PATHS, device=DEVICES, name=st.sampled_from(("SGD", "Adam", "x"))),
    one_by_one=some(
        OneByOne, path=PATHS, device=DEVICES, what=st.sampled_from(("update", "clip", "zero"))
    ),
    padding=some(Padding, how=st.sampled_from(("embedding", "targets"))),
    missing=st.sampled_from(((), (("output", ""),), (("recurrent", "x"), ("x", "y")))),
)  # fmt: skip
"""What the checks know of, with any numbers."""


@SLOW
@given(SEEN, VITALS, st.sampled_from(FACTS), st.sampled_from((0, 3)), st.sampled_from((0.0, 0.001, 500.0)))
def test_no_check_fails_on_what_a_probe_may_see(
    anatomy: Anatomy, vitals: Vitals, facts: dict[str, Any], steps: int, update: float
) -> None:
    stages = {**STAGES, "update": update, "repackage": 0.0}
    stages |= {("forward", "decoder"): 6.0, ("backward", "decoder"): 9.0}
    tried(a_run(stages, steps, anatomy, vitals, environment=facts))


@settings(SLOW, max_examples=20)
@given(runs(), probes([("forward",), ("get_batch",), ()]), ANATOMIES, st.sampled_from(FACTS))
def test_no_check_fails_on_any_run(run: Run, probe: Any, anatomy: Anatomy, facts: dict[str, Any]) -> None:
    tried(run)
    tried(replace(run, probe=replace(probe, anatomy=anatomy), environment={**run.environment, **facts}))
