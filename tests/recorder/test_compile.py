"""Marks inside `torch.compile`: no graph break, no crash, no spans that time nothing."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import in_steps, profile

import rnnprof
from rnnprof.testing import FakeClock

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")


@rnnprof.stage("decorated")
def decorated(x: Any) -> Any:
    return x + 1


@pytest.mark.parametrize("state", ["recording", "before", "after"])
def test_a_compiled_function_with_marks_is_one_graph(clock: FakeClock, state: str) -> None:
    torch._dynamo.reset()
    prof = profile(clock)
    if state != "before":
        prof.start()
    if state == "after":
        prof.stop()

    def function(x: Any) -> Any:
        with rnnprof.step(tokens=3), rnnprof.lane("evaluate"), prof.stage("a"):
            y = x * 2
            with rnnprof.stage("b"), prof.step(tokens=1), prof.lane("x"):
                return decorated(y)

    compiled = torch.compile(function, backend="eager", fullgraph=True)
    assert compiled(torch.ones(2)).tolist() == [3.0, 3.0]
    explained = torch._dynamo.explain(function)(torch.ones(2))
    assert explained.graph_break_count == 0
    if state == "recording":
        with prof.step(), prof.stage("forward"):
            compiled(torch.ones(2))
        prof.stop()
        assert in_steps(prof.run) == {"forward": (1, 0)}


@pytest.mark.parametrize("recording", [False, True])
def test_tokens_set_inside_a_compiled_function(clock: FakeClock, recording: bool) -> None:
    torch._dynamo.reset()

    def function(x: Any) -> Any:
        with rnnprof.step() as step:
            step.tokens = 3
            return x + 1

    prof = profile(clock)
    if recording:
        prof.start()
    assert torch.compile(function, backend="eager")(torch.ones(1)).item() == 2
    prof.stop()


def test_a_function_decorated_while_recording_compiles(clock: FakeClock) -> None:
    torch._dynamo.reset()
    with profile(clock):

        @rnnprof.stage("late")
        def late(x: Any) -> Any:
            return x + 1

        compiled = torch.compile(late, backend="eager", fullgraph=True)
        assert compiled(torch.ones(1)).item() == 2
    torch._dynamo.reset()
    assert compiled(torch.ones(1)).item() == 2
