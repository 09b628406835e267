"""Denormal numbers among gradients and parameters."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")
from looked_at import ELEMENTS, MODEL, Program  # noqa: E402

from rnnprof.anatomy import Denormals  # noqa: E402
from rnnprof.traces.probe.denormals import MOST_NUMBERS, PIECE, DenormalsLook, flushes  # noqa: E402
from rnnprof.traces.probe.looks import Looks  # noqa: E402

LEAVES = """
w = torch.tensor([{weights}], dtype={dtype}, requires_grad=True)
c = torch.tensor([{gradients}], dtype={dtype})
def step():
    w.grad = None
    (w * c).sum().backward()
"""


@pytest.fixture
def _numbers_as_they_are() -> Iterator[None]:
    assert not flushes()
    yield
    torch.set_flush_denormal(False)


def test_a_healthy_model_has_none(tmp_path):
    anatomy = Program(tmp_path, MODEL + "def step():\n    loss().backward()\n").look(DenormalsLook)
    assert anatomy.denormals == (
        Denormals("gradients", 0, ELEMENTS, False),
        Denormals("parameters", 0, ELEMENTS, False),
    )


@pytest.mark.parametrize(
    ("dtype", "small", "tiny"),
    [
        ("torch.float32", "-1e-39", "1.2e-38"),
        ("torch.float64", "1e-310", "-2.3e-308"),
        ("torch.bfloat16", "1e-39", "1.2e-38"),
    ],
)
def test_each_type_has_its_own(tmp_path, dtype, small, tiny):
    weights, gradients = f"1, 0, {small}, {tiny}", f"{small}, {small}, 0, -0.0"
    program = Program(tmp_path, LEAVES.format(weights=weights, gradients=gradients, dtype=dtype))
    assert program.look(DenormalsLook).denormals == (
        Denormals("gradients", 2, 4, False),
        Denormals("parameters", 1, 4, False),
    )


@pytest.mark.usefixtures("_numbers_as_they_are")
def test_where_the_cpu_takes_them_for_zero_they_are_seen_all_the_same(tmp_path):
    program = Program(tmp_path, LEAVES.format(weights="1e-39", gradients="1", dtype="torch.float32"))
    if not torch.set_flush_denormal(True):
        pytest.skip("this CPU cannot")
    assert program.look(DenormalsLook).denormals == (
        Denormals("gradients", 0, 1, True),
        Denormals("parameters", 1, 1, True),
    )


def test_a_large_model_is_looked_at_in_part(tmp_path):
    text = f"""
w = torch.full(({MOST_NUMBERS + PIECE},), 1e-39, requires_grad=True)
v = torch.ones(3, {PIECE}).t().requires_grad_()
def step():
    (w[:2].sum() + v.sum()).backward()
"""
    rows = Program(tmp_path, text).look(DenormalsLook, steps=0).denormals
    assert rows == (
        Denormals("gradients", 0, MOST_NUMBERS, False),
        Denormals("parameters", MOST_NUMBERS, MOST_NUMBERS, False),
    )


def test_without_parameters_it_is_missing(tmp_path):
    anatomy = Program(tmp_path, "def step():\n    pass\n").look(DenormalsLook)
    assert anatomy.missing == (("denormals", "backward reached no parameters on the CPU"),)


def test_on_an_accelerator_nobody_looks(tmp_path):
    anatomy = Program(tmp_path, MODEL + "def step():\n    loss().backward()\n").look(
        DenormalsLook, device="cuda"
    )
    assert (anatomy.denormals, anatomy.missing) == ((), ())


def test_nothing_is_kept_alive(tmp_path):
    program = Program(tmp_path, MODEL + "def step():\n    loss().backward()\n")
    looks = Looks((DenormalsLook,))
    looks.start(torch, "cpu", tuple, None)
    program.names["step"]()
    looks.stop()
    looks.anatomy()
    parameters = [weakref.ref(one) for one in program.names["model"].parameters()]
    gradients = [weakref.ref(one.grad) for one in program.names["model"].parameters()]
    program.names.clear()
    gc.collect()
    assert {one() for one in parameters + gradients} == {None}
