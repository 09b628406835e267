"""Looks into a step change nothing, and none takes another with it."""

from __future__ import annotations

import functools
import pickle
import signal
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from anatomy_step import look
from torch import nn
from torch.nn import functional

from rnnprof.traces.probe.glances import glance
from rnnprof.traces.probe.ground import Ground, Look
from rnnprof.traces.probe.looks import LOOKS
from rnnprof.traces.probe.standins import StandIn, StandIns

OWNERS = (
    torch.autograd.Variable,
    nn.Module,
    type(torch._VF),
    torch._C._nn,
    torch.Tensor,
    functional,
    torch,
    torch.optim.Optimizer,
)


def state() -> list[Any]:
    return [(type(owner), dict(vars(owner))) for owner in OWNERS]


@pytest.fixture(autouse=True)
def all_is_put_back() -> Any:
    before = state()
    yield
    assert state() == before


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.layer, self.decoder = nn.Embedding(9, 4), nn.LSTM(4, 4), nn.Linear(4, 9)

    def forward(self, words: torch.Tensor, hidden: Any) -> Any:
        output, hidden = self.layer(self.embedding(words), hidden)
        return self.decoder(output), hidden


def training() -> tuple[Callable[[], None], list[torch.Tensor]]:
    torch.manual_seed(3)
    model, hidden = Model(), None
    seen: list[torch.Tensor] = []

    def step() -> None:
        nonlocal hidden
        words = torch.randint(9, (6, 2))
        hidden = None if hidden is None else tuple(one.detach() for one in hidden)
        output, hidden = model(words, hidden)
        loss = functional.cross_entropy(output.view(-1, 9), words.view(-1))
        loss.backward()
        with torch.no_grad():
            for one in model.parameters():
                one -= 0.1 * one.grad  # type: ignore[operator]
                one.grad = None
        seen.extend((loss.detach(), *(one.detach().clone() for one in model.parameters())))

    return step, seen


def test_results_are_the_same_to_the_bit() -> None:
    results = []
    for looked in (False, True):
        step, seen = training()
        for _ in range(2):
            step()
        if looked:
            assert look(step, make=LOOKS).graph is not None
        else:
            step()
        step()
        results.append([*seen, torch.get_rng_state()])
    assert len(results[0]) == len(results[1])
    assert all(map(torch.equal, *results))


def test_a_mode_of_the_programs_sees_nothing_of_it() -> None:
    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(function.__name__)
            return function(*args, **(kwargs or {}))

    seen: list[str] = []
    step, _ = training()
    step()
    with Mode():
        step()
        alone = seen.copy()
        seen.clear()
        assert look(step, make=LOOKS).missing[0][0] == "loaders"
    assert seen == alone


@pytest.mark.parametrize(
    "go_wrong",
    [
        lambda: nn.LSTM(3, 4)(torch.ones(5, 2, 7)),
        lambda: nn.LSTMCell(3, 4)(torch.ones(2, 7)),
        lambda: functional.cross_entropy(torch.ones(2, 3, requires_grad=True), torch.ones(5).long()),
        lambda: nn.CrossEntropyLoss()(torch.ones(2, 3), torch.tensor([7, 8])),
        lambda: torch.ones(3, requires_grad=True).backward(),
        lambda: torch.ones(3).sum().backward(),
        lambda: torch.autograd.grad(torch.ones(3).sum(), torch.ones(3)),
        lambda: Model()(torch.ones(2, 2).long(), 3),
    ],
)
def test_an_error_reads_the_same(go_wrong: Any) -> None:
    texts = []
    for run in (go_wrong, lambda: look(go_wrong)):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            run()
        texts.append("".join(traceback.format_exception(caught.value)))
    inside = [
        text[
            text.index("in <lambda>\n    lambda: ")
            if "in <lambda>\n    lambda: " in text
            else text.rindex("lambda: ") :
        ]
        for text in texts
    ]
    assert inside[0] == inside[1]
    assert "rnnprof" not in inside[1].replace(__file__, "")


def test_a_graph_gone_through_twice_reads_the_same() -> None:
    loss = (torch.ones(3, requires_grad=True) ** 2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        look(loss.backward)


def test_warnings_name_the_same_line() -> None:
    given, target = torch.ones(3, requires_grad=True), torch.ones(3, 1)
    for run in (lambda one: one(), look):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            run(lambda: functional.mse_loss(given, target).backward())
        assert [one.filename for one in seen] == [__file__]


def test_a_program_that_puts_its_own_functions_there_keeps_them() -> None:
    original = torch._C._nn.cross_entropy_loss
    calls: list[int] = []

    def own(*args: Any) -> Any:
        calls.append(1)
        return original(*args)

    def step() -> None:
        torch._C._nn.cross_entropy_loss = own
        functional.cross_entropy(torch.ones(2, 3), torch.tensor([1, 2]))

    try:
        look(step)
        assert torch._C._nn.cross_entropy_loss is own
        assert calls == [1]
    finally:
        torch._C._nn.cross_entropy_loss = original


def test_what_is_looked_at_is_itself() -> None:
    found: list[Any] = []

    def step() -> None:
        found.extend((torch._C._nn.cross_entropy_loss, nn.Module._call_impl, torch._VF.lstm))
        found.extend(
            (pickle.loads(pickle.dumps(torch._C._nn.gelu)), isinstance(torch._C._nn, types.ModuleType))
        )
        with pytest.raises(AttributeError):
            _ = torch._C._nn.nothing_like_it
        net = nn.Linear(1, 1)
        net._call_impl = lambda given: "its own"  # type: ignore[method-assign]
        assert net(1) == "its own"

    expected = [
        torch._C._nn.cross_entropy_loss,
        nn.Module._call_impl,
        torch._VF.lstm,
        torch._C._nn.gelu,
        True,
    ]
    look(step)
    assert found == expected


class Seeing:
    """A look that is told to go wrong somewhere."""

    fields = ("padding",)

    def __init__(self, wrong: str) -> None:
        self.wrong = wrong

    def start(self, ground: Ground) -> None:
        self.maybe("start")
        ground.standins.around(functional, "softmax", before=self.before, after=self.after)
        ground.standins.glance(nn.Module, "_call_impl", self.glance)
        ground.passes.seen.append(self.told)

    def maybe(self, where: str) -> None:
        if self.wrong == where:
            raise ValueError(f"in {where}")

    def before(self, args: Any, kwargs: Any, frame: Any) -> None:
        self.maybe("before")

    def after(self, args: Any, kwargs: Any, result: Any, frame: Any) -> None:
        self.maybe("after")

    def glance(self, module: Any, frame: Any) -> None:
        self.maybe("glance")

    def told(self, one: Any) -> None:
        self.maybe("pass")

    def stop(self) -> None:
        self.maybe("stop")

    def found(self) -> Mapping[str, Any]:
        self.maybe("found")
        return {"padding": ("seen",)}


@pytest.mark.parametrize("wrong", ["", "start", "before", "after", "glance", "pass", "stop", "found"])
def test_a_look_that_fails_is_missing_alone(wrong: str) -> None:
    def first() -> Look:
        return Seeing(wrong)

    from rnnprof.traces.probe.graph import GraphLook

    net = nn.Linear(2, 2)
    found = look(
        lambda: functional.softmax(net(torch.ones(1, 2)), 1).sum().backward(), make=(first, GraphLook)
    )
    assert found.graph is not None
    if wrong:
        assert found.missing == (("padding", f"ValueError: in {wrong}"),)
        assert found.padding == ()
    else:
        assert (found.missing, found.padding) == ((), ("seen",))


def test_before_something_is_compiled_all_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda function: seen.append(state()) or function)
    before = state()
    found = look(lambda: torch.compile(abs))
    assert seen == [before]
    assert dict(found.missing).keys() == {"graph", "parameters", "states", "recurrent", "output"}
    assert set(dict(found.missing).values()) == {
        "the program compiles its functions, and these must not change"
    }


def test_stand_ins_around_each_other_go_in_any_order() -> None:
    original = functional.softmax
    for first in (0, 1):
        both = [StandIn(functional, "softmax", lambda args: False)]
        assert both[0].put()
        both.append(StandIn(functional, "softmax", lambda args: False))
        assert both[1].put()
        assert functional.softmax is both[1]
        both[first].remove()
        assert functional.softmax == original
        both[1 - first].remove()
        assert functional.softmax is original


def test_a_program_goes_as_deep_as_without_a_look() -> None:
    def deepest(owner: Any) -> int:
        def go(depth: int) -> int:
            try:
                return go(depth + 1)
            except RecursionError:
                assert owner.limit == 5
                return depth

        return go(1)

    def told(*what: Any, frames: int = 20) -> None:
        if frames:
            told(frames=frames - 1)

    class Owner:
        limit = 5

    module = types.ModuleType("module")
    module.limit = 5  # type: ignore[attr-defined]
    for owner in (Owner(), module):
        alone = deepest(owner)
        undo = glance(owner if owner is module else Owner, "limit", told)
        looked = deepest(owner)
        undo()
        # A frame for the attribute, and one for what tells of it.
        assert alone - 2 <= looked <= alone


def test_what_is_told_of_is_not_told_of_again_inside() -> None:
    told: list[str] = []
    standins = StandIns(torch)

    def before(args: Any, kwargs: Any, frame: Any) -> None:
        told.append(frame.f_code.co_name)
        functional.softmax(torch.ones(2), 0)

    standins.around(functional, "softmax", before)
    standins.around(functional, "nothing like it", before)
    standins.glance(functional, "nothing like it", before)  # type: ignore[arg-type]
    try:
        functional.softmax(torch.ones(2), 0)
    finally:
        standins.stop()
    assert told == ["test_what_is_told_of_is_not_told_of_again_inside"]


class Late(Exception):
    pass


class Handler:
    def __call__(self, number: int, frame: Any) -> None:
        raise Late

    def method(self, number: int, frame: Any) -> None:
        raise Late


def late(number: int, frame: Any) -> None:
    raise Late


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize(
    "handler", [late, Handler(), Handler().method, functools.partial(late), functools.partial(Handler())]
)
def test_what_a_signals_handler_raises_in_a_look_is_the_programs(handler: Any) -> None:
    def told() -> None:
        signal.raise_signal(signal.SIGUSR1)

    standins = StandIns(torch)
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(Late):
            standins.tell(told)
    finally:
        signal.signal(signal.SIGUSR1, before)
        standins.stop()
    assert standins.errors == {}
