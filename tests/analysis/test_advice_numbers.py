"""Threads without a core, denormal numbers and double precision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnprof.analysis.advice.crowding import threads
from rnnprof.analysis.advice.numbers import denormals, float64
from rnnprof.anatomy import Anatomy, Denormals
from rnnprof.network import Parameters
from rnnprof.vitals import Crowding, Vitals
from tests.advice_runs import a_run, abstains, found
from tests.recurrent_calls import layer

CROWDED = Vitals(crowding=Crowding(10_000, 2, 15_000, 5_000, 2_000))
MACHINE = {
    "cpus_usable": 2,
    "load_average": [1.5, 1.0, 1.0],
    "load_average_at_end": [2.96, 2.0, 1.0],
    "env": {"OMP_NUM_THREADS": "2"},
}


def test_threads_that_wait_for_a_core() -> None:
    (one,) = found(threads, a_run(anatomy=Anatomy(), vitals=CROWDED, environment=MACHINE))
    assert (one.key, one.saving) == ("threads", 0.5)
    assert "for 5.00 µs, 25.0 % of both; the one that trains waited for 20.0 % of the time." in one.evidence
    assert one.evidence.endswith(
        "Torch has 2 threads; the process may use 2 cores; the load was 1.5 at the start; "
        "the load was 2.96 at the end."
    )
    assert one.change.startswith("`torch.set_num_threads(1)`, or `OMP_NUM_THREADS=1`")
    assert "OMP_WAIT_POLICY=passive" in one.change
    passive = {**MACHINE, "env": {"OMP_WAIT_POLICY": "PASSIVE"}}
    (one,) = found(threads, a_run(vitals=CROWDED, environment=passive))
    assert "OMP_WAIT_POLICY" not in one.change


def test_no_thread_waits_for_longer_than_there_was() -> None:
    assert CROWDED.crowding is not None
    vitals = Vitals(crowding=replace(CROWDED.crowding, main_waited_ns=90_000))
    (one,) = found(threads, a_run(vitals=vitals, environment=MACHINE))
    assert "the one that trains waited for 100 % of the time." in one.evidence


@pytest.mark.parametrize(
    "changed",
    [
        {"waited_ns": 1_000, "main_waited_ns": 500},
        {"threads": 1},
        {"ran_ns": 0, "waited_ns": 0},
        {"wall_ns": 0},
    ],
)
def test_threads_with_cores_of_their_own(changed: dict[str, int]) -> None:
    assert CROWDED.crowding is not None
    vitals = Vitals(crowding=replace(CROWDED.crowding, **changed))
    assert found(threads, a_run(vitals=vitals, environment=MACHINE)) == ()


def test_an_accelerator_is_not_advised_on_threads() -> None:
    assert found(threads, a_run(anatomy=Anatomy(), vitals=CROWDED, device="cuda")) == ()


def test_more_threads_than_cores_need_no_measurement_but_load_is_no_proof() -> None:
    (one,) = found(threads, a_run(environment={"threads": 8, "cpus_usable": 2}))
    assert (one.saving, one.title) == (None, "More threads than cores")
    assert one.evidence.startswith("torch computes with 8 threads on 2 cores.")
    assert "load alone" in abstains(threads, a_run(environment=MACHINE, vitals=Vitals()))
    assert "not known on this system" in abstains(threads, a_run(environment={"threads": "many"}))


def test_denormals_are_named_by_their_places() -> None:
    looked = (
        Denormals("gradients", 120, 1000, False),
        Denormals("parameters", 0, 700, False),
        Denormals("parameters", 9, 1000, False),
    )
    (one,) = found(denormals, a_run(anatomy=Anatomy(denormals=looked)))
    assert (one.key, one.saving) == ("denormals", None)
    assert "12.0 % of the gradients (120 of 1,000). They" in one.evidence
    assert "torch.set_flush_denormal(True)" in one.change


def test_few_denormals_or_flushed_ones_need_no_word() -> None:
    for looked in (Denormals("gradients", 9, 1000, False), Denormals("gradients", 900, 1000, True)):
        assert found(denormals, a_run(anatomy=Anatomy(denormals=(looked,)))) == ()
    assert abstains(denormals, a_run(anatomy=Anatomy())) == "Denormal numbers were not looked for."


def test_double_precision_saves_a_part_of_what_computes() -> None:
    double = Anatomy(parameters=(Parameters("float64", "cpu", 4, 900), Parameters("float32", "cpu", 4, 100)))
    (one,) = found(float64, a_run(anatomy=double))
    assert (one.key, one.saving) == ("float64", pytest.approx(24 / 26.1 * 2 / 3))
    assert "900 of 1,000 parameters are float64, 90.0 %." in one.evidence
    (one,) = found(float64, a_run({"mine": 1.0}, anatomy=double))
    assert (one.saving, one.bound[:23]) == (pytest.approx(2 / 3), "Two thirds of the step:")
    device = Anatomy(parameters=(Parameters("float64", "cuda:0", 4, 900),))
    (one,) = found(float64, a_run(anatomy=device, device="cuda"))
    assert one.saving == pytest.approx(24 / 26.1)


def test_of_an_lstm_in_double_precision_all_may_go() -> None:
    """In float32 it is one call of oneDNN."""
    lstm = layer(path=("forward", "rnn"), dtype="float64", way="composed")
    double = Anatomy(parameters=(Parameters("float64", "cpu", 4, 900),), recurrent=(lstm,))
    stages = {"forward": 8.0, ("forward", "rnn"): 6.0, "backward": 12.0, ("backward", "rnn"): 10.0}
    (one,) = found(float64, a_run(stages, rest=0.0, anatomy=double, environment={"onednn_enabled": True}))
    assert one.saving == pytest.approx((16 + 4 * 2 / 3) / 20)
    assert one.bound.endswith("what then fits into a cache; of `nn.LSTM` all.")
    assert "is one call of oneDNN" in one.evidence
    (one,) = found(float64, a_run(stages, rest=0.0, anatomy=double))
    assert one.saving == pytest.approx(2 / 3)
    assert "oneDNN" not in one.evidence + one.bound


def test_single_precision_is_fine() -> None:
    single = Anatomy(parameters=(Parameters("float64", "cpu", 1, 100), Parameters("float32", "cpu", 4, 900)))
    assert found(float64, a_run(anatomy=single)) == ()
    assert abstains(float64, a_run(anatomy=Anatomy())) == "The parameters' type of number is not known."
