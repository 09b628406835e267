"""Updates, clipping and zeros: what is found is bounded by its calls, its bytes and its stage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnprof.analysis.advice.updating import clip_by_hand, fused, update_by_hand, zero_fill
from rnnprof.anatomy import Anatomy, OneByOne, OptimizerStep
from rnnprof.network import Parameters
from rnnprof.vitals import Crowding, Vitals
from tests.advice_runs import STAGES, a_run, abstains, found, line

SMALL = {"forward": 1.0, "backward": 2.0, "clip": 0.8, "update": 0.6, "zero_grad": 0.5}
"""A step of 5 ms with its rest."""
UPDATE = OneByOne(
    ("update",), "update", "Tensor.add_", 60, 60, 60_000, "cpu", False, line(70, "p.add_(p.grad)")
)
CLIP = replace(UPDATE, path=("clip",), what="clip", call="torch.norm", calls=120, line=line(65))
ZERO = replace(UPDATE, path=("zero_grad",), what="zero", call="Tensor.zero_", library=True, line=line(50))
ADAM = OptimizerStep(
    ("update",), "Adam", True, None, None, True, 11, 4_000_000, "cpu", 1, line(71, "optimizer.step()")
)


def seen(*rows: OneByOne, **changed: object) -> Anatomy:
    return replace(Anatomy(one_by_one=rows), **changed)  # type: ignore[arg-type]


def test_a_long_update_by_hand_is_bounded_by_its_calls() -> None:
    (one,) = found(update_by_hand, a_run(SMALL, anatomy=seen(UPDATE), rest=0.1))
    assert (one.key, one.stage, one.line, one.source) == ("update_by_hand", ("update",), 70, "p.add_(p.grad)")
    assert one.saving == pytest.approx(60 * 5e-3 / 5.0)
    assert one.evidence == (
        "60 calls such as `Tensor.add_` in a step, for 60 tensors of 1,000 numbers on average, a kernel for "
        "each. The stage takes 12.0 % of the step."
    )
    assert "fused=True" in one.change


def test_no_more_is_saved_than_the_stage_takes_and_a_device_pays_more_for_a_call() -> None:
    device = replace(UPDATE, device="cuda")
    (one,) = found(update_by_hand, a_run(SMALL, anatomy=seen(device), device="cuda", rest=0.1))
    assert one.saving == pytest.approx(0.6 / 5.0)
    (one,) = found(update_by_hand, a_run(SMALL, anatomy=seen(replace(device, calls=30)), rest=0.1))
    assert one.saving == pytest.approx(0.3 / 5.0)


def test_lines_of_one_stage_are_one_finding() -> None:
    momentum = replace(UPDATE, call="Tensor.mul_", calls=61, line=line(69))
    (one,) = found(update_by_hand, a_run(SMALL, anatomy=seen(UPDATE, momentum), rest=0.1))
    assert one.evidence.startswith("121 calls such as `Tensor.mul_` in a step, for 60 tensors")
    assert one.line == 69


def test_an_update_of_few_large_tensors_saves_next_to_nothing() -> None:
    """The word language model with its update by hand: 11 tensors, 26 ms."""
    few = replace(UPDATE, calls=11, tensors=11, elements=4_000_000)
    (one,) = found(update_by_hand, a_run(STAGES, anatomy=seen(few)))
    assert one.saving is not None
    assert one.saving < 0.0025
    assert found(update_by_hand, a_run(STAGES, anatomy=seen(replace(UPDATE, tensors=9)))) == ()
    for tensors in (3, 4):
        on_device = seen(replace(UPDATE, tensors=tensors, device="cuda"))
        assert len(found(update_by_hand, a_run(STAGES, anatomy=on_device))) == (tensors == 4)
    assert found(update_by_hand, a_run(STAGES, anatomy=seen(replace(UPDATE, library=True)))) == ()
    assert found(update_by_hand, a_run(STAGES, anatomy=seen(CLIP, ZERO))) == ()


def test_clipping_by_hand() -> None:
    (one,) = found(clip_by_hand, a_run(SMALL, anatomy=seen(CLIP, UPDATE), rest=0.1))
    assert (one.key, one.line) == ("clip_by_hand", 65)
    assert one.saving == pytest.approx(120 * 5e-3 / 5.0)
    assert "clip_grad_norm_(model.parameters(), max_norm, foreach=True)" in one.change
    assert found(clip_by_hand, a_run(SMALL, anatomy=seen(replace(CLIP, library=True)))) == ()


def test_zeros_are_bounded_by_their_bytes_and_their_calls() -> None:
    double = (Parameters("float64", "cpu:0", 60, 60_000), Parameters("float32", "cuda:0", 1, 10**9))
    (one,) = found(zero_fill, a_run(SMALL, anatomy=seen(ZERO, UPDATE, parameters=double), rest=0.1))
    assert (one.key, one.stage, one.line) == ("zero_fill", ("zero_grad",), 50)
    assert "writes 469 KiB of zeros in 60 tensors" in one.evidence
    assert "The stage takes 10.0 % of the step." in one.evidence
    # As much again three times in backward, which takes 2 ms.
    assert one.saving == pytest.approx(0.5 / 5.0 + 3 * 0.5 / 5.0)
    short = SMALL | {"backward": 0.5}
    (one,) = found(zero_fill, a_run(short, anatomy=seen(ZERO, parameters=double), rest=0.1))
    assert one.saving == pytest.approx(0.5 / 3.5 + 0.5 / 3.5)
    one_call = replace(ZERO, calls=1, path=())
    (one,) = found(zero_fill, a_run(SMALL, anatomy=seen(one_call), rest=1.1))
    assert one.saving == pytest.approx(4 * (5_000 + 240_000) / 6e6)
    assert "The stage" not in one.evidence
    assert found(zero_fill, a_run(SMALL, anatomy=seen(UPDATE, CLIP))) == ()


def test_an_optimizer_that_could_be_fused() -> None:
    (one,) = found(fused, a_run(SMALL, anatomy=Anatomy(optimizers=(ADAM,)), rest=0.1))
    assert (one.key, one.line, one.saving) == ("fused", 71, pytest.approx(0.12))
    assert "4,000,000 numbers in 11 tensors, tensor by tensor" in one.evidence
    assert one.change.startswith("`torch.optim.Adam(..., fused=True)`")
    on_device = replace(ADAM, device="cuda")
    (one,) = found(fused, a_run(SMALL, anatomy=Anatomy(optimizers=(on_device,))))
    assert "(foreach)" in one.evidence


def test_calls_cost_more_where_the_thread_waits_for_a_core() -> None:
    """Three quarters of the time it had none: what takes 5 µs then takes 20."""
    waiting = Vitals(crowding=Crowding(1_000, 1, 250, 750, 750))
    few = replace(UPDATE, calls=4, tensors=10)
    stages = {"forward": 6.0, "update": 4.0}
    (one,) = found(update_by_hand, a_run(stages, anatomy=seen(few), rest=0.0))
    (same,) = found(update_by_hand, a_run(stages, anatomy=seen(few), rest=0.0, vitals=waiting))
    assert (one.saving, same.saving) == (pytest.approx(4 * 5e-3 / 10), pytest.approx(4 * 20e-3 / 10))
    assert "At most 20.0 µs for each call" in same.bound
    never = Vitals(crowding=Crowding(1_000, 1, 0, 9_000, 9_000))
    (same,) = found(update_by_hand, a_run(stages, anatomy=seen(few), rest=0.0, vitals=never))
    assert same.saving == pytest.approx(4 * 100e-3 / 10)


def test_on_an_accelerator_an_optimizer_comes_first() -> None:
    """On a CPU its own Python costs more than a few calls."""
    (one,) = found(update_by_hand, a_run(SMALL, anatomy=seen(UPDATE)))
    assert one.change.startswith("`torch._foreach_add_(parameters, gradients, alpha=-lr)`")
    (one,) = found(update_by_hand, a_run(SMALL, anatomy=seen(replace(UPDATE, device="cuda"))))
    assert one.change.startswith("`torch.optim.SGD(model.parameters(), lr=lr, fused=True)`")


def test_two_optimizers_in_one_stage_save_it_once() -> None:
    """Each of them alone would claim the whole stage."""
    two = Anatomy(optimizers=(ADAM, replace(ADAM, tensors=9, elements=1_000)))
    (one,) = found(fused, a_run(SMALL, anatomy=two, rest=0.1))
    assert one.title == "The optimizer has a fused kernel that is not used: `Adam` (2 optimizers)"
    assert "4,001,000 numbers in 20 tensors" in one.evidence
    assert one.saving == pytest.approx(0.12)


def test_an_update_in_no_stage_is_bounded_by_the_time_in_none() -> None:
    stages = {"forward": 1.0, "backward": 2.0}
    loose = replace(ADAM, path=())
    (one,) = found(fused, a_run(stages, anatomy=Anatomy(optimizers=(loose,)), rest=1.0))
    assert one.saving == pytest.approx(0.25)
    # By its size, where that says more: 10 numbers, in 2 tensors.
    tiny = replace(loose, elements=10, tensors=2)
    (one,) = found(fused, a_run({}, anatomy=Anatomy(optimizers=(tiny,)), rest=4.0))
    assert one.saving == pytest.approx((2 * 14 * 5_000 + 10 * 8 * 18) / 4e6)
    (one,) = found(fused, a_run({}, anatomy=Anatomy(optimizers=(loose,)), rest=4.0))
    assert one.saving is None


def test_what_moves_no_fewer_bytes_when_fused_saves_its_calls() -> None:
    sgd = replace(ADAM, name="SGD")
    (one,) = found(fused, a_run(SMALL, anatomy=Anatomy(optimizers=(sgd,)), rest=0.1))
    assert one.saving == pytest.approx(11 * 4 * 5e-3 / 5.0)
    assert one.bound.startswith("The cost of the calls")


def test_with_momentum_it_moves_more() -> None:
    run = a_run(SMALL, anatomy=Anatomy(optimizers=(replace(ADAM, name="SGD", momentum=True),)), rest=0.1)
    (one,), (adam,) = (
        found(fused, run),
        found(fused, a_run(SMALL, anatomy=Anatomy(optimizers=(ADAM,)), rest=0.1)),
    )
    assert one.saving == adam.saving


@pytest.mark.parametrize(
    "changed", [{"fused": True}, {"can_fuse": None}, {"can_fuse": False}, {"torchs": False}]
)
def test_other_optimizers_are_left_alone(changed: dict[str, bool | None]) -> None:
    one = replace(ADAM, **changed)  # type: ignore[arg-type]
    assert found(fused, a_run(SMALL, anatomy=Anatomy(optimizers=(one,)))) == ()


def test_they_abstain_where_nothing_was_looked_at() -> None:
    compiled = Anatomy(missing=(("one_by_one", "torch.compile is in use."), ("optimizers", "it failed")))
    for check in (update_by_hand, clip_by_hand, zero_fill):
        assert abstains(check, a_run(anatomy=compiled)) == (
            "The probe has nothing on it: torch.compile is in use."
        )
    assert abstains(fused, a_run(anatomy=compiled)) == "The probe has nothing on it: it failed."
    assert abstains(fused, a_run()) == "No step was looked at closely (no probe)."
