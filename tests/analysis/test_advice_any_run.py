"""No check of device, layers and input fails, whatever a run holds."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnprof.analysis.advice.case import Abstain, Case, Check
from rnnprof.analysis.advice.cells import cells
from rnnprof.analysis.advice.filling import padding, ragged
from rnnprof.analysis.advice.launching import launch
from rnnprof.analysis.advice.layers import fast_path, one_chunk
from rnnprof.analysis.advice.loading import input as fetching
from rnnprof.analysis.advice.loading import workers
from rnnprof.analysis.advice.sync_points import sync
from rnnprof.analysis.breakdown import breakdown
from rnnprof.anatomy import Anatomy, Loader, Padding
from rnnprof.model import Run
from rnnprof.network import Graph
from rnnprof.vitals import Vitals
from tests.advice_runs import STAGES, a_run, line
from tests.anatomy_builder import ANATOMIES, VITALS
from tests.probe_builder import probes
from tests.recurrent_calls import layer
from tests.run_builder import runs

CHECKS: tuple[Check, ...] = (
    *(sync, launch, cells, one_chunk, fast_path, fetching, workers, padding, ragged),
)


SLOW = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FACTS: tuple[dict[str, Any], ...] = (
    {},
    {"cpus_usable": 2, "threads": 8, "cudnn": 91002, "onednn_enabled": True, "cudnn_benchmark": True},
    {"cpus_usable": True, "threads": "8", "cudnn": [], "cudnn_enabled": False, "onednn_enabled": False},
)


def tried(run: Run) -> None:
    """Examine a run; whatever it holds, a check finds something or abstains."""
    case = Case(run, breakdown(run))
    for check in CHECKS:
        with suppress(Abstain):
            for one in check(case):
                assert all((one.title, one.evidence, one.change, one.check))
                assert one.saving is None or one.saving >= 0


SIZE = st.sampled_from((0, 1, 4, 35, 10**6, 2**63 - 1))
RECURRENT = st.builds(
    layer,
    path=st.sampled_from(((), ("forward",), ("forward", "rnn"), ("backward",), ("x", "y"))),
    kind=st.sampled_from(("lstm", "gru", "rnn_tanh", "lstm_cell", "gru_cell", "rnn_relu_cell", "x", "")),
    calls=SIZE, backward=st.booleans(), time_steps=SIZE, batch=SIZE, packed_steps=st.none() | SIZE,
    input_size=SIZE, hidden_size=SIZE, projection_size=SIZE, directions=st.sampled_from((1, 2)),
    dtype=st.sampled_from(("float32", "float64", "bfloat16", "\x1b")),
    device=st.sampled_from(("cpu", "cuda", "")),
    one_chunk=st.sampled_from((None, True, False)), way=st.sampled_from(("composed", "cudnn", "")),
    line=st.sampled_from((None, line(0), line(7, "x"))),
)  # fmt: skip
PADDINGS = st.builds(Padding, st.sampled_from(("embedding", "targets")), SIZE, SIZE, st.booleans(), st.none())
LOADERS = st.builds(
    Loader, SIZE, st.none() | SIZE, st.none() | SIZE, st.booleans(), st.booleans(), st.booleans()
)


@SLOW
@given(
    st.lists(RECURRENT, max_size=3), st.lists(PADDINGS, max_size=3), st.lists(LOADERS, max_size=2), VITALS,
    st.sampled_from(FACTS), st.sampled_from((0, 3)),
)  # fmt: skip
def test_no_check_fails_on_what_a_probe_may_see(
    rows: Any, filling: Any, loaders: Any, vitals: Vitals, facts: dict[str, Any], steps: int
) -> None:
    graph = Graph(1, 9, 0, 0, 99, (("ConvolutionBackward", 2),), False, None)
    anatomy = Anatomy(recurrent=tuple(rows), padding=tuple(filling), loaders=tuple(loaders), graph=graph)
    stages = {**STAGES, ("forward", "rnn"): 6.0, ("backward", "rnn"): 9.0}
    tried(a_run(stages, steps, anatomy, vitals, environment=facts))


@settings(SLOW, max_examples=15)
@given(runs(), probes([("forward",), ("get_batch",), ()]), ANATOMIES, st.sampled_from(FACTS))
def test_no_check_fails_on_any_run(run: Run, probe: Any, anatomy: Anatomy, facts: dict[str, Any]) -> None:
    tried(replace(run, probe=replace(probe, anatomy=anatomy), environment={**run.environment, **facts}))
