"""Updates, clipping and filling with a call for each tensor: told by line, and nothing else changes."""

from __future__ import annotations

import gc
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from looked_at import ELEMENTS, MODEL, TENSORS, Program  # noqa: E402
from torch import nn  # noqa: E402

from rnnprof.anatomy import Anatomy, OneByOne  # noqa: E402
from rnnprof.traces.probe.looks import Looks  # noqa: E402
from rnnprof.traces.probe.one_by_one import METHODS, OneByOneLook  # noqa: E402


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = [(name, id(value)) for name, value in vars(torch.Tensor).items()]
    functions = id(torch._foreach_zero_)
    yield
    assert [(name, id(value)) for name, value in vars(torch.Tensor).items()] == before
    assert id(torch._foreach_zero_) == functions


def rows(anatomy: Anatomy) -> list[tuple[int, str, str, int, int, int, bool]]:
    assert anatomy.missing == ()
    return sorted(_row(one) for one in anatomy.one_by_one)


def _row(one: OneByOne) -> tuple[int, str, str, int, int, int, bool]:
    line = one.line.line if one.line else 0
    return line, one.what, one.call, one.calls, one.tensors, one.elements, one.library


WITH_ALL = TENSORS, TENSORS, ELEMENTS


def test_a_loop_written_by_hand_is_told_line_by_line(tmp_path):
    text = """
def step():
    stage("zero_grad")
    model.zero_grad(set_to_none=False)  # zero
    stage("backward")
    loss().backward()
    stage("clip")
    total = sum(p.grad.data.norm(2) ** 2 for p in model.parameters())  # norm
    for p in model.parameters():
        p.grad.mul_(0.25 / total)  # scale
    stage("update")
    for p in model.parameters():
        p.data.add_(p.grad, alpha=-0.1)  # add
"""
    program = Program(tmp_path, MODEL + text)
    anatomy = program.look(OneByOneLook)
    assert rows(anatomy) == [
        (program.marked("zero"), "zero", "Tensor.zero_", *WITH_ALL, True),
        (program.marked("norm"), "clip", "Tensor.norm", *WITH_ALL, False),
        (program.marked("scale"), "clip", "Tensor.mul_", *WITH_ALL, False),
        (program.marked("add"), "update", "Tensor.add_", *WITH_ALL, False),
    ]
    stages = {(one.path, one.device) for one in anatomy.one_by_one}
    assert stages == {((name,), "cpu") for name in ("zero_grad", "clip", "update")}
    (update,) = (one.line for one in anatomy.one_by_one if one.what == "update" and one.line)
    assert (update.file, update.function) == (str(program.file), "step")
    assert update.source == "p.data.add_(p.grad, alpha=-0.1)  # add"


@pytest.mark.parametrize(
    ("written", "what", "call"),
    [
        ("p.data -= 0.1 * p.grad", "update", "Tensor -="),
        ("p.data += p.grad", "update", "Tensor +="),
        ("p.data *= 0.9", "update", "Tensor *="),
        ("p.data.sub_(p.grad)", "update", "Tensor.sub_"),
        ("p.data.addcdiv_(p.grad, p.grad + 2)", "update", "Tensor.addcdiv_"),
        ("p.detach().copy_(p.detach() * 0.5)", "update", "Tensor.copy_"),
        ("p.data.clamp_(-0.1, 0.1)", "update", "Tensor.clamp_"),
        ("p.data.view(-1).lerp_(p.grad.view(-1), 0.1)", "update", "Tensor.lerp_"),
        ("p.grad.add_(p.data, alpha=0.1)", "update", "Tensor.add_"),
        ("p.grad /= 2", "clip", "Tensor /="),
        ("p.grad *= 2", "clip", "Tensor *="),
        ("p.grad.data.clamp_(-1, 1)", "clip", "Tensor.clamp_"),
        ("p.grad.fill_(0)", "zero", "Tensor.fill_"),
    ],
)
def test_each_way_to_write_it(tmp_path, written, what, call):
    text = f"""
def step():
    model.zero_grad()
    loss().backward()
    for p in model.parameters():
        {written}  # here
"""
    program = Program(tmp_path, MODEL + text)
    assert rows(program.look(OneByOneLook)) == [(program.marked("here"), what, call, *WITH_ALL, False)]


def test_under_no_grad_the_parameter_itself_is_changed(tmp_path):
    text = """
def step():
    model.zero_grad()
    loss().backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.1 * p.grad  # here
"""
    program = Program(tmp_path, MODEL + text)
    assert rows(program.look(OneByOneLook)) == [
        (program.marked("here"), "update", "Tensor -=", *WITH_ALL, False)
    ]


def test_gradients_that_are_in_no_grad_attribute(tmp_path):
    text = """
def step():
    parameters = list(model.parameters())
    for p, g in zip(parameters, torch.autograd.grad(loss(), parameters)):
        g.clamp_(-1, 1)
        p.data.add_(g, alpha=-0.1)  # here
"""
    program = Program(tmp_path, MODEL + text)
    assert rows(program.look(OneByOneLook)) == [
        (program.marked("here"), "update", "Tensor.add_", *WITH_ALL, False)
    ]


def test_weights_that_are_no_parameters(tmp_path):
    text = """
w, b = torch.ones(3, 2, requires_grad=True), torch.ones(2, requires_grad=True)
def step():
    (torch.ones(4, 3) @ w + b).sum().backward()
    for p in (w, b):
        p.data.sub_(p.grad)  # update
        p.grad.zero_()  # zero
"""
    program = Program(tmp_path, text)
    assert rows(program.look(OneByOneLook)) == [
        (program.marked("update"), "update", "Tensor.sub_", 2, 2, 8, False),
        (program.marked("zero"), "zero", "Tensor.zero_", 2, 2, 8, False),
    ]


def test_what_is_no_parameter_is_not_told(tmp_path):
    text = """
optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, foreach=False)
average = [p.detach().clone() for p in model.parameters()]
mask, hidden = torch.ones(5, 3), torch.zeros(3, 4)
def step():
    optimizer.zero_grad()
    mask.fill_(0)
    hidden.zero_()
    hidden.mul_(2)
    x = torch.ones(4, requires_grad=True) * 2
    x += 1
    x.mul_(2)
    loss().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    nn.utils.clip_grad_value_(model.parameters(), 0.25)
    optimizer.step()
    for a, p in zip(average, model.parameters()):
        a.lerp_(p.detach(), 0.1)
    model.encoder.weight.data[0].zero_()
    model.encoder.weight.grad[0].zero_()
"""
    assert rows(Program(tmp_path, MODEL + text).look(OneByOneLook)) == []


@pytest.mark.parametrize(
    ("written", "call", "calls"),
    [
        ("optimizer.zero_grad(set_to_none=False)", "Tensor.zero_", TENSORS),
        ("foreach.zero_grad(set_to_none=False)", "torch._foreach_zero_", 1),
        ("model.zero_grad(False)", "Tensor.zero_", TENSORS),
    ],
)
def test_gradients_that_torch_fills_with_zeros(tmp_path, written, call, calls):
    text = f"""
optimizer = torch.optim.SGD(model.parameters(), 0.1)
foreach = torch.optim.SGD(model.parameters(), 0.1, foreach=True)
def step():
    loss().backward()
    optimizer.step()
    {written}  # here
"""
    program = Program(tmp_path, MODEL + text)
    assert rows(program.look(OneByOneLook)) == [
        (program.marked("here"), "zero", call, calls, TENSORS, ELEMENTS, True)
    ]


def test_clipping_of_torchs_one_by_one_is_the_librarys(tmp_path):
    text = """
def step():
    model.zero_grad()
    loss().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.01, foreach=False)  # here
"""
    program = Program(tmp_path, MODEL + text)
    assert rows(program.look(OneByOneLook)) == [
        (program.marked("here"), "clip", "Tensor.mul_", *WITH_ALL, True)
    ]


def test_an_optimizer_of_the_programs_own_is_its_own_code(tmp_path):
    text = """
class Plain(torch.optim.Optimizer):
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad, alpha=-0.1)  # here
optimizer = Plain(model.parameters(), {})
def step():
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()
"""
    program = Program(tmp_path, MODEL + text)
    assert rows(program.look(OneByOneLook)) == [
        (program.marked("here"), "update", "Tensor.add_", *WITH_ALL, False)
    ]


def test_gradients_of_later_passes_are_known_too(tmp_path):
    text = """
def halve():
    for p in model.parameters():
        p.grad.div_(2)  # here
def step():
    for _ in range(3):
        model.zero_grad()
        loss().backward()
        halve()
"""
    program = Program(tmp_path, MODEL + text)
    assert rows(program.look(OneByOneLook)) == [
        (program.marked("here"), "clip", "Tensor.div_", 3 * TENSORS, TENSORS, ELEMENTS, False)
    ]


BY_HAND = """
def step():
    model.zero_grad(set_to_none=False)
    value = loss()
    value.backward()
    for p in model.parameters():
        p.grad *= 0.5
        p.data.add_(p.grad, alpha=-0.1)
    return value.item()
"""


def test_the_losses_are_the_same_to_the_bit(tmp_path):
    plain, looked = (Program(tmp_path, MODEL + BY_HAND).names for _ in range(2))
    looks = Looks((OneByOneLook,))
    losses = []
    for number in range(4):
        if number == 2:
            looks.start(torch, "cpu", tuple, None)
        losses.append((plain["step"](), looked["step"]()))
        looks.stop()
    assert len(looks.anatomy().one_by_one) == 3
    assert [one for one, _ in losses] == [other for _, other in losses]
    assert losses[0] != losses[1]


def test_nothing_is_kept_alive(tmp_path):
    program = Program(tmp_path, MODEL + BY_HAND)
    looks = Looks((OneByOneLook,))
    looks.start(torch, "cpu", tuple, None)
    program.names["step"]()
    looks.stop()
    gradients = [weakref.ref(p.grad) for p in program.names["model"].parameters()]
    parameters = [weakref.ref(p) for p in program.names["model"].parameters()]
    program.names["model"].zero_grad()
    assert [one() for one in gradients] == [None] * TENSORS
    program.names.clear()
    gc.collect()
    assert [one() for one in parameters] == [None] * TENSORS


@pytest.mark.parametrize(
    "call", ["torch.ones(2).add_()", "torch.ones(2).add_(torch.ones(3))", "torch.ones(2, dtype=int).div_(2)"]
)
def test_an_error_looks_as_it_did(call):
    def said() -> str:
        try:
            eval(call)
        except Exception as error:
            return "".join(traceback.format_exception(error))
        raise AssertionError

    before = said()
    looks = Looks((OneByOneLook,))
    looks.start(torch, "cpu", tuple, None)
    try:
        assert said() == before
    finally:
        looks.stop()
    assert looks.anatomy().missing == ()


def test_a_type_has_the_slots_that_it_had():
    import ctypes

    class Made(torch.Tensor):
        def __iadd__(self, other):
            return super().__iadd__(other)

    def slots() -> list[list[int]]:
        # All but flags, version, and what the interpreter keeps to itself at the end.
        words = [(ctypes.c_size_t * (type.__basicsize__ // 8)).from_address(id(one)) for one in kinds]
        return [[one[index] for index in range(5, 101) if index not in (21, 48)] for one in words]

    kinds: list[Any] = [torch.Tensor, nn.Parameter, Made]
    before = slots()
    looks = Looks((OneByOneLook,))
    looks.start(torch, "cpu", tuple, None)
    try:
        inside = slots()
        made = torch.ones(2).as_subclass(Made)
        made += 1
        made.mul_(2)
    finally:
        looks.stop()
    assert before == inside == slots()
    assert type(made) is Made
    assert made.tolist() == [4.0, 4.0]
    assert looks.anatomy().missing == ()


def test_all_methods_are_torchs():
    assert [name for name in METHODS if not hasattr(torch.Tensor, name)] == []
    # What only a slot has cannot be put back.
    kinds = {name: type(getattr(torch.Tensor, name)) for name in METHODS}
    assert [name for name, kind in kinds.items() if kind is type(object.__repr__)] == []
