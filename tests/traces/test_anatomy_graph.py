"""What is seen of backward passes: nodes, their age, and what they reach."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from anatomy_step import line_with, look
from torch import nn

import rnnprof
from rnnprof.network import Graph, Parameters
from rnnprof.traces.probe import passes
from rnnprof.traces.probe.graph import Leaves
from rnnprof.traces.probe.looks import LOOKS


def graph_of(*steps: Any, device: str = "cpu") -> Graph:
    found = look(steps[-1], *steps[:-1], device=device).graph
    assert found is not None
    return found


def weights(*shape: int) -> torch.Tensor:
    return torch.ones(*shape, requires_grad=True)


def test_a_pass_is_counted_node_by_node() -> None:
    x = weights(3)

    def step() -> None:
        (x * 2 * 2).sum().backward()

    found = look(step)
    assert found.graph == Graph(
        nodes=4,
        previous=0,
        earlier=0,
        most=passes.most_nodes(),
        names=(("MulBackward", 2), ("AccumulateGrad", 1), ("SumBackward", 1)),
        retained=False,
        line=line_with(".sum().backward()", "step", step),
    )
    assert found.parameters == (Parameters("float32", "cpu", 1, 3),)
    assert found.missing == ()


def test_without_a_pass_nothing_is_said() -> None:
    found = look(lambda: weights(3) * 2)
    assert (found.graph, found.parameters, found.output, found.states) == (None, (), None, ())


@pytest.mark.parametrize(
    "run",
    [
        lambda loss, x: torch.autograd.backward([loss]),
        lambda loss, x: torch.autograd.backward((loss,), retain_graph=True),
        lambda loss, x: torch.autograd.grad(loss, x),
        lambda loss, x: torch.autograd.grad([loss], [x], retain_graph=True),
        lambda loss, x: loss.backward(retain_graph=True),
        lambda loss, x: loss.backward(inputs=[x]),
    ],
)
def test_all_ways_to_go_back_are_seen(run: Any) -> None:
    x = weights(3)
    found = graph_of(lambda: run((x * 2).sum(), x))
    assert found.nodes == 3
    assert found.retained is (
        "retain_graph" in run.__code__.co_consts[-1] if run.__code__.co_consts[-1] else False
    )


def test_passes_are_added_up() -> None:
    x = weights(3)

    def step() -> None:
        for _ in range(3):
            (x * 2).sum().backward()

    assert graph_of(step).nodes == 9


def test_a_state_that_is_not_detached_makes_the_graph_reach_back() -> None:
    x, state = weights(3), torch.zeros(3)

    def step() -> None:
        nonlocal state
        state = state + x
        state.sum().backward(retain_graph=True)

    found = graph_of(step, step, step, step)
    # Of each step there is one addition, and the sum of this one.
    assert (found.nodes, found.previous, found.earlier, found.retained) == (6, 1, 2, True)
    # Where the step before is not known, nothing is proven to be older.
    found = graph_of(step)
    assert (found.nodes, found.previous, found.earlier) == (7, 4, 0)


def test_a_state_that_is_detached_does_not() -> None:
    x, state = weights(3), torch.zeros(3)

    def step() -> None:
        nonlocal state
        state = state.detach() + x
        state.sum().backward()

    found = graph_of(step, step, step)
    assert (found.nodes, found.previous, found.earlier) == (3, 0, 0)


def test_a_forward_pass_before_the_step_is_of_the_step_before() -> None:
    x = weights(3)
    waiting: list[torch.Tensor] = []

    def step() -> None:
        if waiting:
            waiting.pop().backward()
        waiting.append((x * 2).sum())

    found = graph_of(step, step, step)
    assert (found.nodes, found.previous, found.earlier) == (3, 2, 0)


def test_large_graphs_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    x = weights(3)

    def step() -> None:
        (x * 2 * 2 * 2 * 2).sum().backward()

    whole = passes.Passes.__init__

    def small(self: Any, standins: Any) -> None:
        whole(self, standins)
        self.left = 4

    monkeypatch.setattr(passes.Passes, "__init__", small)
    found = look(step)
    assert found.graph is not None
    assert (found.graph.nodes, found.parameters) == (4, ())
    # All passes of the step together.
    assert graph_of(lambda: [(x * 2).sum().backward() for _ in range(3)]).nodes == 4


DEEP = """
import torch
from anatomy_step import look

def step():
    loss = torch.ones(3, requires_grad=True).sum()
    for _ in range(100_000):
        loss = loss + 1
    loss.backward(retain_graph=True)
    loss.backward()

look(step)
"""


def test_a_deep_graph_that_was_looked_at_fits_the_stack_when_it_goes() -> None:
    # torch lets go of nodes that Python has seen by calls within calls.
    assert subprocess.run([sys.executable, "-c", DEEP], cwd=Path(__file__).parent).returncode == 0


def test_on_a_small_stack_fewer_nodes_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")

    def most_with(limit: int) -> int:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
        return passes.most_nodes()

    assert most_with(8 << 20) == most_with(resource.RLIM_INFINITY) == passes.MOST
    assert most_with(1 << 20) == (1 << 20) // passes.STACK_BYTES

    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(most_with(resource.RLIM_INFINITY)))
    thread.start()
    thread.join()
    assert found == [passes.LEAST_STACK // passes.STACK_BYTES]


def test_parameters_are_told_by_type_and_counted_once() -> None:
    layer, other = nn.Linear(2, 3), nn.Linear(2, 3).double()

    def step() -> None:
        for _ in range(2):
            layer(torch.ones(1, 2)).sum().backward()
        other(torch.ones(1, 2).double()).sum().backward()

    assert look(step).parameters == (
        Parameters("float32", "cpu", 2, 9),
        Parameters("float64", "cpu", 2, 9),
    )


def test_another_tensor_at_the_same_address_is_another_one() -> None:
    leaves = Leaves()
    for _ in range(3):
        leaves.add([weights(2)])
    assert leaves.rows() == (Parameters("float32", "cpu", 3, 6),)


def test_functions_of_the_programs_and_hooks_on_saved_tensors_are_left_alone() -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, given: torch.Tensor) -> torch.Tensor:
            return given * 2

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return gradient * 2

    unpacked: list[int] = []
    x = weights(3)

    def unpack(tensor: torch.Tensor) -> torch.Tensor:
        unpacked.append(1)
        return tensor

    def step() -> None:
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            loss = torch.exp(Twice.apply(x)).sum()
        loss.backward()

    names = dict(graph_of(step).names)
    assert names == {"SumBackward": 1, "ExpBackward": 1, "TwiceBackward": 1, "AccumulateGrad": 1}
    # Once, by the engine.
    assert unpacked == [1]


def test_nodes_made_in_other_threads_have_no_age() -> None:
    x = weights(3)
    keep = [x * 1 for _ in range(50)]

    def step() -> None:
        loss = (x * x).sum()
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        slope.sum().backward()

    # The engine's threads make nodes of their own on an accelerator, the program's on a CPU.
    for device in ("cpu", "cuda"):
        found = look(step, step, device=device)
        assert found.graph is not None
        assert (found.graph.previous, found.graph.earlier) == (0, 0)
        why = "nodes made in several threads have no common age"
        assert (("states", why) in found.missing) is (device == "cuda")
    assert keep


def test_other_threads_passes_are_not_the_steps() -> None:
    def step() -> None:
        thread = threading.Thread(target=lambda: weights(3).sum().backward())
        thread.start()
        thread.join()

    assert look(step).graph is None


def test_nothing_is_kept_alive() -> None:
    alive: list[weakref.ref[Any]] = []

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(2, 2)

        def forward(self, given: torch.Tensor, state: Any) -> Any:
            return self.layer(given, state)

    model = Model()
    state: Any = None

    def step() -> None:
        nonlocal state
        given = torch.ones(3, 1, 2)
        output, state = model(given, state)
        loss = nn.functional.cross_entropy(output[:, 0], torch.tensor([0, 1, 0]))
        loss.backward(retain_graph=True)
        alive.extend(map(weakref.ref, (given, output, loss, *state)))
        del given, output, loss
        gc.collect()
        # In the step as well: what the program lets go of is gone. The graph has the rest.
        assert [one() is not None for one in alive[-5:]] == [True, False, False, True, True]

    look(step, step, step)
    state = None
    model = None  # type: ignore[assignment]
    gc.collect()
    assert [one() for one in alive if one() is not None] == []


@pytest.mark.parametrize(("warmup", "probed", "ages"), [(5, 3, (2, 4)), (2, 0, (0, 0)), (70, 68, (2, 134))])
def test_in_a_run_the_step_before_is_known(
    tmp_path: Path, warmup: int, probed: int, ages: tuple[int, int]
) -> None:
    x, state = weights(3), torch.zeros(3)
    with rnnprof.profile(tmp_path / "run.json", warmup=warmup, control_every=0) as prof:
        for _ in range(warmup + 3):
            with prof.step():
                state = (state + x) * 1
                state.sum().backward(retain_graph=True)
    probe = prof.run.probe
    assert probe is not None
    assert probe.anatomy is not None
    assert probe.anatomy.graph is not None
    assert (probe.step, probe.anatomy.graph.previous, probe.anatomy.graph.earlier) == (probed, *ages)
    train = prof.run.lane("train")
    assert train is not None
    counts = {kind: steps.wall.count for kind, steps in train.steps.items()}
    assert counts == {"warmup": warmup - 1, "probe": 1, "host": 3}


def test_a_tensor_with_a_class_of_its_own_is_asked_nothing() -> None:
    asked: list[str] = []

    class Wrapped(torch.Tensor):
        @staticmethod
        def __new__(cls: Any, inner: Any) -> Any:
            policy: dict[str, Any] = {"dispatch_device": True, "dispatch_sizes_strides_policy": "sizes"}
            return torch.Tensor._make_wrapper_subclass(cls, inner.shape, requires_grad=True, **policy)

        def __init__(self, inner: Any) -> None:
            self.inner = inner

        @property
        def grad_fn(self) -> Any:
            asked.append("grad_fn")
            return super().grad_fn

        @classmethod
        def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked.append(str(function))
            inner = [one.inner if isinstance(one, Wrapped) else one for one in args]
            return function(*inner, **(kwargs or {}))

    def step() -> Any:
        weight = Wrapped(torch.ones(4, 3))
        F.cross_entropy(F.linear(torch.ones(2, 3), weight), torch.tensor([0, 1])).backward()
        Wrapped(torch.ones(())).backward()
        return weight

    keep = [step()]
    alone = asked.copy()
    asked.clear()
    anatomy = look(lambda: keep.append(step()), make=LOOKS)
    assert asked == alone
    assert anatomy.parameters == ()
