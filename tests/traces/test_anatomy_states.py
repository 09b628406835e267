"""States that come into the step with an earlier step's graph, and what they are called."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from anatomy_step import line_with, look
from torch import nn

from rnnprof.network import State


class Model(nn.Module):
    def __init__(self, kind: str = "LSTM") -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(2, 3)

    def forward(self, given: torch.Tensor, state: Any) -> Any:
        return self.layer(given, state)


class Holder(nn.Module):
    """Holds its state itself, and hands it to a layer."""

    def __init__(self, detached: bool = False) -> None:
        super().__init__()
        self.layer, self.detached = nn.GRU(2, 3), detached
        self.register_buffer("state", torch.zeros(1, 1, 3))

    def forward(self, given: torch.Tensor) -> Any:
        if self.detached:
            self.state = self.state.detach()
        output, self.state = self.layer(given, self.state)
        return output


class Cell(nn.Module):
    """A cell written by hand that holds its state."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.state = nn.Parameter(torch.ones(3)), torch.zeros(3)

    def forward(self) -> Any:
        self.state = torch.tanh(self.state * self.weight)
        return self.state


GIVEN = torch.ones(4, 1, 2)


def states_of(*steps: Any) -> tuple[State, ...]:
    found = look(steps[-1], *steps[:-1])
    assert found.graph is not None
    assert not found.missing
    return found.states


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_the_outermost_variable_names_it(kind: str) -> None:
    model = Model(kind)
    hidden: Any = None

    def step() -> None:
        nonlocal hidden
        output, hidden = model(GIVEN, hidden)
        output.sum().backward(retain_graph=True)

    (state,) = states_of(step, step, step)
    assert (state.name, state.line) == ("hidden", line_with("model(GIVEN, hidden)", "step", step))
    # The layer of two steps with its views, and its parameters.
    assert state.nodes > 8


@pytest.mark.parametrize("way", ["outside", "inside", "data", "no gradient"])
def test_a_state_that_is_detached_somewhere_is_none(way: str) -> None:
    model = Model()
    hidden: Any = (torch.zeros(1, 1, 3), torch.zeros(1, 1, 3))

    class Detaching(Model):
        def forward(self, given: torch.Tensor, state: Any) -> Any:
            return super().forward(given, tuple(one.detach() for one in state))

    if way == "inside":
        model = Detaching()

    def step() -> None:
        nonlocal hidden
        if way == "outside":
            hidden = tuple(one.detach() for one in hidden)
        if way == "data":
            hidden = tuple(one.data for one in hidden)
        if way == "no gradient":
            with torch.no_grad():
                model(GIVEN, hidden)
            hidden = tuple(torch.zeros_like(one) for one in hidden)
        output, hidden = model(GIVEN, hidden)
        output.sum().backward()

    assert states_of(step, step, step) == ()


def test_in_a_loop_within_functions_the_outermost_of_the_programs_own_is_named() -> None:
    model = Model("GRU")

    def forward(net: Any, kept: Any) -> Any:
        return net(GIVEN, kept["state"])

    def step(carried: Any) -> Any:
        output, state = forward(model, carried)
        output.sum().backward(retain_graph=True)
        return {"state": state}

    def twice() -> None:
        carry: Any = {"state": None}
        for _ in range(2):
            carry = step(carry)
        found.append(look(lambda: step(carry)))

    found: list[Any] = []
    twice()
    (state,) = found[0].states
    assert (state.name, state.line) == ("carry", line_with("found.append(", "<lambda>", twice))


def test_an_attribute_that_is_handed_on_is_named_where_that_is() -> None:
    model = Holder()

    def step() -> None:
        model(GIVEN).sum().backward(retain_graph=True)

    (state,) = states_of(step, step)
    assert (state.name, state.line) == (
        "self.state",
        line_with("self.layer(given", "forward", Holder.forward),
    )
    other = Holder(detached=True)

    def healthy() -> None:
        other(GIVEN).sum().backward()

    assert states_of(healthy, healthy) == ()


def test_the_state_of_a_cell_written_by_hand_is_named_where_it_is_called() -> None:
    model = Cell()

    def step() -> None:
        model().sum().backward(retain_graph=True)

    (state,) = states_of(step, step)
    assert (state.name, state.line) == ("self.state", line_with("model().sum()", "step", step))
    # Two operations of the step before, and the parameter.
    assert state.nodes == 3


def test_without_any_module_the_variable_there_before_the_step_names_it() -> None:
    weight = torch.ones(3, requires_grad=True)

    def train() -> Any:
        state = torch.zeros(3)
        leftover = None
        for _ in range(2):
            state = torch.tanh(state * weight)
            leftover = (state * 2).sum()
            leftover.backward(retain_graph=True)
        found = look(lambda: torch.tanh(state * weight).sum().backward())
        return (leftover, found)[1]

    (state,) = train().states
    assert (state.name, state.nodes) == ("state", 5)


def test_a_graph_from_nowhere_has_no_name() -> None:
    weight = torch.ones(3, requires_grad=True)

    def hide() -> Any:
        state = weight * 2
        return lambda: state

    get = [hide()]
    found = look(lambda: (get[0]() * 3).sum().backward())
    assert found.states == (State("", 2, None),)


def test_what_is_left_over_but_not_used_is_no_state() -> None:
    model = Model("GRU")
    old = (model(GIVEN, None)[0] * 1).sum()

    def step() -> None:
        model(GIVEN, None)[0].sum().backward()

    assert states_of(step) == ()
    assert old.grad_fn is not None


def test_variables_of_a_global_are_those_of_the_function_that_uses_them(tmp_path: Any) -> None:
    file = tmp_path / "program.py"
    file.write_text(
        "def step():\n    global hidden\n    output, hidden = model(given, hidden)\n"
        "    output.sum().backward(retain_graph=True)\n"
        "step()\nstep()\nfound = look(step)\n"
    )
    names: dict[str, Any] = {"model": Model("GRU"), "given": GIVEN, "hidden": None, "look": look}
    exec(compile(file.read_text(), str(file), "exec"), names)
    (state,) = names["found"].states
    assert state.line is not None
    assert (state.name, state.line.line, state.line.function) == ("hidden", 3, "step")


def test_odd_containers_of_the_programs_are_read_by_no_method_of_theirs() -> None:
    class Odd(dict):  # type: ignore[type-arg]
        def values(self) -> Any:
            raise AssertionError("the program's")

        def __iter__(self) -> Any:
            raise AssertionError("the program's")

    class Net(nn.Module):
        def forward(self, given: Any) -> torch.Tensor:
            return dict.__getitem__(given, "state") * 2

        def __getattr__(self, name: str) -> Any:
            assert not name.startswith("state"), "the program's"
            return super().__getattr__(name)

    weight = torch.ones(3, requires_grad=True)
    state, model = weight * 2, Net()

    def step() -> None:
        model(Odd(state=state)).sum().backward()

    assert [one.name for one in states_of(step)] == ["state"]


def test_an_altered_view_is_not_asked_for_its_node() -> None:
    weight = torch.ones(4, requires_grad=True)

    class Net(nn.Module):
        def forward(self, given: Any) -> torch.Tensor:
            return given * 2

    model = Net()
    whole = weight * 1
    view = whole[:2]
    whole.mul_(2)
    number = torch.autograd._get_sequence_nr()

    def step() -> None:
        model.__class__.__call__(model, torch.ones(1))
        model._forward_hooks.clear()
        assert torch.autograd._get_sequence_nr() == number
        with torch.no_grad():
            model([view])

    look(step)
    assert torch.autograd._get_sequence_nr() == number
