"""Which optimizers take a step, and whether they could be fused."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from looked_at import ELEMENTS, MODEL, TENSORS, Program  # noqa: E402

from rnnprof.anatomy import OptimizerStep  # noqa: E402
from rnnprof.traces.probe.looks import Looks  # noqa: E402
from rnnprof.traces.probe.optimizer_steps import OptimizersLook  # noqa: E402

STEP = """
def step():
    optimizer.zero_grad()
    value = loss()
    value.backward()
    optimizer.step()  # here
    return value.item()
"""


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Iterator[None]:
    hooks = sys.modules["torch.optim.optimizer"]._global_optimizer_pre_hooks  # type: ignore[attr-defined]
    before = list(hooks)
    yield
    assert list(hooks) == before


def one(program: Program) -> OptimizerStep:
    anatomy = program.look(OptimizersLook)
    assert anatomy.missing == ()
    (row,) = anatomy.optimizers
    assert row.line is not None
    assert (row.line.line, row.line.file) == (program.marked("here"), str(program.file))
    return row


@pytest.mark.parametrize(
    ("made", "foreach", "fused", "can_fuse"),
    [
        ("SGD(model.parameters(), 0.1)", None, None, True),
        ("Adam(model.parameters(), foreach=True)", True, None, True),
        ("AdamW(model.parameters(), fused=True)", None, True, True),
        ("Adagrad(model.parameters(), foreach=False)", False, None, True),
        ("RMSprop(model.parameters())", None, None, False),
        ("LBFGS(model.parameters())", None, None, False),
    ],
)
def test_torchs_own(tmp_path, made, foreach, fused, can_fuse):
    closure = "optimizer.step(loss_again)" if "LBFGS" in made else "optimizer.step()"
    again = "def loss_again():\n    value = loss()\n    value.backward()\n    return value\n"
    text = STEP.replace("optimizer.step()", closure)
    program = Program(tmp_path, f"{MODEL}optimizer = torch.optim.{made}\n{again}{text}")
    row = one(program)
    assert (row.name, row.torchs) == (made.partition("(")[0], True)
    assert (row.foreach, row.fused, row.can_fuse) == (foreach, fused, can_fuse)
    assert (row.tensors, row.elements, row.device, row.calls) == (TENSORS, ELEMENTS, "cpu", 1)
    assert not row.momentum


@pytest.mark.parametrize(("momentum", "has"), [("0", False), ("0.9", True)])
def test_momentum(tmp_path, momentum, has):
    made = f"optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum={momentum})\n"
    assert one(Program(tmp_path, f"{MODEL}{made}{STEP}")).momentum is has


def test_one_of_the_programs_own(tmp_path):
    text = "class Mine(torch.optim.SGD):\n    pass\noptimizer = Mine(model.parameters(), 0.1)\n"
    row = one(Program(tmp_path, MODEL + text + STEP))
    assert (row.name, row.torchs, row.can_fuse) == ("program.Mine", False, None)


def test_groups_that_differ_and_parameters_without_a_gradient(tmp_path):
    text = """
spare = nn.Parameter(torch.ones(5))
groups = [{"params": [*model.parameters()], "foreach": True}, {"params": [spare], "foreach": False}]
optimizer = torch.optim.SGD(groups, 0.1)
"""
    row = one(Program(tmp_path, MODEL + text + STEP))
    assert (row.foreach, row.fused) == (None, None)
    assert (row.tensors, row.elements) == (TENSORS, ELEMENTS)


def test_what_a_fused_kernel_does_not_take(tmp_path):
    text = "model.encoder.sparse = True\noptimizer = torch.optim.SGD(model.parameters(), 0.1)\n"
    assert one(Program(tmp_path, MODEL + text + STEP)).can_fuse is False


def test_steps_of_one_line_are_one_row(tmp_path):
    text = """
optimizers = [torch.optim.Adam(some.parameters()) for some in (model.encoder, model.rnn, model.decoder)]
def step():
    stage("outer", "update")
    for _ in range(2):
        loss().backward()
        for optimizer in optimizers:
            optimizer.step()  # here
"""
    row = one(Program(tmp_path, MODEL + text))
    assert (row.calls, row.tensors, row.elements) == (6, TENSORS, ELEMENTS)
    assert row.path == ("outer", "update")


def test_a_scheduler_and_a_scaler_change_nothing_about_it(tmp_path):
    text = """
optimizer = torch.optim.SGD(model.parameters(), 0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
scaler = torch.amp.GradScaler("cpu")
def step():
    optimizer.zero_grad()
    scaler.scale(loss()).backward()
    scaler.step(optimizer)  # here
    scaler.update()
    scheduler.step()
"""
    row = one(Program(tmp_path, MODEL + text))
    assert (row.name, row.calls) == ("SGD", 1)


def test_without_an_optimizer_there_is_none(tmp_path):
    anatomy = Program(tmp_path, MODEL + "def step():\n    loss().backward()\n").look(OptimizersLook)
    assert (anatomy.optimizers, anatomy.missing) == ((), ())


def test_one_that_cannot_be_read_ends_this_look_alone(tmp_path):
    text = """
class Odd(torch.optim.SGD):
    def __init__(self, *args):
        super().__init__(*args)
        del self.param_groups
    def step(self):
        return 3
optimizer = Odd(model.parameters(), 0.1)
def step():
    assert optimizer.step() == 3
"""
    anatomy = Program(tmp_path, MODEL + text).look(OptimizersLook)
    assert anatomy.optimizers == ()
    assert anatomy.missing == (
        ("optimizers", "AttributeError: 'Odd' object has no attribute 'param_groups'"),
    )


def test_the_losses_are_the_same_to_the_bit(tmp_path):
    made = "optimizer = torch.optim.Adam(model.parameters())\n"
    plain, looked = (Program(tmp_path, MODEL + made + STEP).names for _ in range(2))
    looks = Looks((OptimizersLook,))
    losses: list[tuple[Any, Any]] = []
    for number in range(4):
        if number == 2:
            looks.start(torch, "cpu", tuple, None)
        losses.append((plain["step"](), looked["step"]()))
        looks.stop()
    assert [one for one, _ in losses] == [other for _, other in losses]


def test_a_hook_of_the_programs_may_compile(tmp_path):
    text = """
import sys
optimizers = sys.modules["torch.optim.optimizer"]
optimizer = torch.optim.SGD(model.parameters(), 0.1)
counts = []
def compile_now(*_):
    torch.compile(loss, backend="eager")
def step():
    hook = optimizers.register_optimizer_step_pre_hook(compile_now)
    counts.append(len(optimizers._global_optimizer_pre_hooks))
    loss().backward()
    optimizer.step()
    hook.remove()
"""
    program = Program(tmp_path, MODEL + text)
    # What other tests have compiled is no matter here, nor is this to others.
    frames = importlib.import_module("torch._dynamo.eval_frame")
    before = dict(frames.cached_backends)
    frames.cached_backends.clear()
    try:
        anatomy = program.look(OptimizersLook, steps=0)
    finally:
        frames.cached_backends.clear()
        frames.cached_backends.update(before)
    # No hook but the program's.
    assert program.names["counts"] == [1]
    assert anatomy.optimizers == ()
    assert dict(anatomy.missing)["optimizers"].startswith("the program compiles")
