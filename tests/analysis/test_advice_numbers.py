"""Threads without a core, denormal numbers and double precision; and that no check of computing fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnprof.analysis.advice.case import Abstain, Check
from rnnprof.analysis.advice.crowding import threads
from rnnprof.analysis.advice.numbers import denormals, float64
from rnnprof.analysis.advice.truncation import bptt
from rnnprof.analysis.advice.updating import clip_by_hand, fused, update_by_hand, zero_fill
from rnnprof.analysis.advice.vocabulary import vocabulary
from rnnprof.anatomy import Anatomy, Denormals, OneByOne, OptimizerStep
from rnnprof.network import Output, Parameters, Recurrent
from rnnprof.vitals import Crowding, Vitals
from tests import run_builder
from tests.advice_runs import STAGES, a_run, abstains, found

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
        Denormals("states", 0, 700, False),
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


def test_double_precision_saves_half_of_what_computes() -> None:
    double = Anatomy(parameters=(Parameters("float64", "cpu", 4, 900), Parameters("float32", "cpu", 4, 100)))
    (one,) = found(float64, a_run(anatomy=double))
    assert (one.key, one.saving) == ("float64", pytest.approx(24 / 26.1 / 2))
    assert "900 of 1,000 parameters are float64, 90.0 %." in one.evidence
    (one,) = found(float64, a_run({"mine": 1.0}, anatomy=double))
    assert (one.saving, one.bound[:16]) == (0.5, "Half of the step")
    device = Anatomy(parameters=(Parameters("float64", "cuda:0", 4, 900),))
    (one,) = found(float64, a_run(anatomy=device, device="cuda"))
    assert one.saving == pytest.approx(24 / 26.1)


def test_single_precision_is_fine() -> None:
    single = Anatomy(parameters=(Parameters("float64", "cpu", 1, 100), Parameters("float32", "cpu", 4, 900)))
    assert found(float64, a_run(anatomy=single)) == ()
    assert abstains(float64, a_run(anatomy=Anatomy())) == "The parameters' type of number is not known."


CHECKS: tuple[Check, ...] = (
    *(vocabulary, update_by_hand, clip_by_hand, zero_fill, fused),
    *(threads, denormals, float64, bptt),
)
NUMBER = st.integers(0, 3) | st.integers(0, 10**5) | st.just(2**63 - 1)
PATHS = st.sampled_from([(), ("update",), ("clip",), ("forward", "decoder"), ("forward", "decoder", "rnn")])
DTYPES, DEVICES = (
    st.sampled_from(["float64", "float32", "\x1b"]),
    st.sampled_from(["cpu", "cuda:0", "", "mps"]),
)
KINDS = st.sampled_from(["lstm", "gru_cell", "rnn_tanh", "mine"])


def some(made: type, /, **given: Any) -> st.SearchStrategy[Any]:
    """A few of these, with numbers such as a file may hold."""
    names = {
        name: NUMBER
        for name, hint in made.__annotations__.items()
        if hint == "int" and name not in given
    }  # fmt: skip
    maybe = {name: st.none() | NUMBER for name, hint in made.__annotations__.items() if hint == "int | None"}
    return st.lists(st.builds(made, **names, **maybe, **given), max_size=2).map(tuple)


@st.composite
def anatomies(draw: st.DrawFn) -> Anatomy:
    sizes = st.none() | st.tuples(NUMBER, NUMBER)
    given = {"path": PATHS, "line": st.none()}
    return Anatomy(
        recurrent=draw(some(Recurrent, kind=KINDS, **given)),
        parameters=draw(some(Parameters, dtype=DTYPES, device=DEVICES)),
        output=next(iter(draw(some(Output, embedding=sizes, line=st.none()))), None),
        optimizers=draw(some(OptimizerStep, device=DEVICES, **given)),
        one_by_one=draw(
            some(OneByOne, what=st.sampled_from(["update", "clip", "zero"]), device=DEVICES, **given)
        ),
        denormals=draw(some(Denormals)),
        missing=draw(st.sampled_from([(), (("output", ""),), (("recurrent", "x"), ("x", "y"))])),
    )


def tried(run: Any) -> None:
    """No check raises anything but `Abstain`; a saving is a number, and what is said are sentences."""
    for check in CHECKS:
        try:
            findings = found(check, run)
        except Abstain as reason:
            findings, said = (), str(reason)
        else:
            said = "."
        assert said.endswith(".")
        for one in findings:
            assert one.saving is None or one.saving >= 0
            assert all(
                text.endswith(".") for text in (one.evidence, one.change, one.check, one.bound) if text
            )
            assert not one.title.endswith(".")


@settings(max_examples=60, deadline=None)
@given(
    anatomies(),
    st.none() | some(Crowding).map(lambda found: Vitals(crowding=next(iter(found), None))),
    st.sampled_from([{}, MACHINE, {"threads": -1, "cpus_usable": True, "load_average": ["x"], "env": 3}]),
    st.sampled_from([0.0, 0.001, 500.0]),
)
def test_no_check_fails_on_what_a_file_may_hold(
    anatomy: Anatomy, vitals: Vitals | None, environment: dict[str, Any], update: float
) -> None:
    stages = {**STAGES, ("forward", "decoder"): 1.0, "repackage": 0.0, "update": update}
    tried(a_run(stages, 3, anatomy, vitals, environment=environment))


@settings(max_examples=25, deadline=None)
@given(run_builder.runs())
def test_nor_on_any_run(run: Any) -> None:
    tried(run)
