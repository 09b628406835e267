"""Traces on a real accelerator: the device's time of each stage, the backward pass included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rnnprof
from rnnprof.analysis.agreement import agree

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

SIZE = 2048


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Any:
    """A traced run of one product forward and two back, with an update."""
    file: Path = tmp_path_factory.mktemp("cuda") / "run.json"
    weights = torch.randn(SIZE, SIZE, device="cuda", requires_grad=True)
    other = torch.randn(SIZE, SIZE, device="cuda", requires_grad=True)
    with rnnprof.profile(file, trace=rnnprof.Tracing(steps=4)) as prof:
        for _ in range(60):
            with prof.step():
                with prof.stage("forward"):
                    product = weights @ other
                with prof.stage("loss"):
                    loss = product.sum()
                with prof.stage("backward"):
                    loss.backward()
                with prof.stage("update"), torch.no_grad():
                    for one in (weights, other):
                        one.add_(one.grad, alpha=-1e-9)
                        one.grad = None
    return rnnprof.load(file)


def stage(run: Any, name: str) -> Any:
    (trace,) = run.traces
    return next(one for one in trace.stages if one.path == (name,))


def test_the_trace_has_kernels(run: Any) -> None:
    (trace,) = run.traces
    assert trace.device
    assert trace.steps == 4
    assert all(stage(run, name).launches for name in ("forward", "loss", "backward", "update"))


def test_kernels_of_the_backward_pass_are_backwards(run: Any) -> None:
    """They are launched on a thread of autograd's; two products of the size of the one forward."""
    forward, backward = stage(run, "forward"), stage(run, "backward")
    products = [sum(one.device_ns for one in found.kernels) for found in (forward, backward)]
    assert products[1] / products[0] == pytest.approx(2, rel=0.4)
    assert backward.busy_ns > forward.busy_ns


def test_busy_time_and_gaps_fit_in_the_steps(run: Any) -> None:
    (trace,) = run.traces
    busy = sum(one.busy_ns for one in trace.stages)
    kernels = sum(one.device_ns for found in trace.stages for one in found.kernels)
    # One stream: nothing overlaps.
    assert busy == pytest.approx(kernels, rel=0.01)
    assert all(one.gap_ns >= 0 for one in trace.stages)


def test_the_labels_agree_with_the_marks(run: Any) -> None:
    agreement = agree(run)
    assert agreement is not None


def test_untraced_steps_are_still_timed_by_events(run: Any) -> None:
    kinds = {kind: steps.series.count for kind, steps in run.lane("train").steps.items()}
    assert kinds["trace"] == 4
    assert kinds["event"] > 30


def test_events_agree_with_the_kernels(run: Any) -> None:
    """Large kernels follow each other without gaps: both clocks see the same device."""
    (trace,) = run.traces
    steps = run.lane("train").steps["event"]
    for name in ("forward", "backward"):
        found = stage(run, name)
        marked = next(one for one in steps.stages if one.name == name)
        kernels = found.busy_ns / trace.steps
        assert marked.series.total_ns / steps.series.count == pytest.approx(kernels, rel=0.15)


def test_a_loop_of_cells_launches_at_every_time_step(tmp_path: Path) -> None:
    words = torch.randn(20, 8, 64, device="cuda")
    layer, cell = torch.nn.LSTM(64, 64).cuda(), torch.nn.LSTMCell(64, 64).cuda()

    def launches(name: str, forward: Any) -> int:
        file = tmp_path / f"{name}.json"
        with rnnprof.profile(file, trace=rnnprof.Tracing(steps=2, stages=False)) as prof:
            for _ in range(12):
                with prof.step(), prof.stage("forward"):
                    forward()
        (trace,) = rnnprof.load(file).traces
        return next(one.launches for one in trace.stages if one.path == ("forward",))

    def loop() -> None:
        state = None
        for word in words:
            state = cell(word, state)

    # At least one product with the input and one with the state.
    assert launches("cells", loop) / 2 >= 2 * len(words)
    assert launches("layer", lambda: layer(words)) > 0
