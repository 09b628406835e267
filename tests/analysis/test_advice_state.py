"""Advice on recurrent states that are not detached: the graph, and the failure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnprof.analysis.advice.advise import advise
from rnnprof.analysis.advice.detaching import detach
from rnnprof.anatomy import Anatomy
from rnnprof.model import Stage
from rnnprof.network import Graph, State
from rnnprof.vitals import Failure, MemoryCourse, Vitals
from tests.advice_runs import STAGES, a_run, abstains, found, line
from tests.recurrent_calls import layer
from tests.run_builder import lane_of, series

CALL = line(207, "output, hidden = model(data, hidden)")
BACKWARD = line(210, "loss.backward(retain_graph=True)")
MIB = 1 << 20
TWICE = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
    "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time"
)
MODIFIED = "one of the variables needed for gradient computation has been modified by an inplace operation"


def graph(nodes: int = 36, previous: int = 9, earlier: int = 18, most: int = 5000) -> Graph:
    return Graph(nodes, previous, earlier, most, (("AddmmBackward", 4),), True, BACKWARD)


def states(*names: str) -> tuple[State, ...]:
    return tuple(State(name, 27, CALL) for name in names)


def growing(steps: int) -> dict[str, list[float]]:
    """Stages of steps in which backward goes through all steps so far."""
    return {name: [ms] * steps for name, ms in STAGES.items() if isinstance(ms, float)} | {
        "backward": [0.5 * (6 + step) for step in range(steps)]
    }


def test_a_graph_that_grows() -> None:
    memory = MemoryCourse("resident", (5, 105), (300 * MIB, 900 * MIB))
    run = a_run(
        growing(100),
        anatomy=Anatomy(graph=graph(), states=states("hidden", "hidden")),
        vitals=Vitals(memory=(memory,)),
    )
    (finding,) = found(detach, run)
    assert finding.key == "detach"
    assert finding.urgent
    assert finding.title == "`hidden` is not detached: backward goes through earlier steps again"
    assert finding.evidence == (
        "In step 3, backward went through 36 nodes of the graph: 9 of this step, 9 of the one before, 18 "
        "older. Behind `hidden` are up to 27 nodes. Over the run, backward went from 5.25 ms "
        "(median of its first tenth) to 50.2 ms (its last). Meanwhile the resident memory went from 300 "
        "MiB to 900 MiB."
    )
    assert finding.change == (
        "Write `hidden = repackage(hidden)` before line 207, `output, hidden = model(data, hidden)`; "
        "`repackage` gives `h.detach()` for a tensor, and for a tuple one of what it gives for its members. "
        "Then `retain_graph=True` is not needed any more."
    )
    assert (finding.file, finding.line, finding.source) == (CALL.file, 207, CALL.source)
    assert finding.stage == ("backward",)
    # Of the mean step of 27.75 + 11.1 ms all is saved but a step's own part of what the first tenth took.
    assert finding.saving == pytest.approx((27.75 - 5.25 / 7) / (27.75 + 11.1))
    assert finding.bound == "As if backward went through the step's own part of the graph only."


def test_growth_of_the_step_where_backward_is_no_stage() -> None:
    run = a_run({"train": [float(6 + step) for step in range(100)]}, rest=0.0, anatomy=Anatomy(graph=graph()))
    (finding,) = found(detach, run)
    assert "Over the run, a step went from 10.5 ms (median of its first tenth) to 100 ms" in finding.evidence
    assert finding.saving == pytest.approx((55.5 - 10.5) / 55.5)
    assert finding.stage == ()


def test_a_run_too_short_to_show_growth() -> None:
    (finding,) = found(detach, a_run(steps=10, anatomy=Anatomy(graph=graph(), states=states("h", "c"))))
    assert finding.title == "`h` and `c` are not detached: backward goes through earlier steps again"
    assert finding.saving is None
    assert finding.urgent
    assert "Over the run" not in finding.evidence
    assert "Where several steps are meant to share a graph" in finding.change
    assert "`h = repackage(h)` and `c = repackage(c)`" in finding.change


def test_no_step_is_needed() -> None:
    (finding,) = found(detach, a_run(steps=0, anatomy=Anatomy(graph=graph(5000))))
    assert (
        finding.title
        == "A state is not detached between two steps: backward goes through earlier steps again"
    )
    assert "at least 5,000 nodes" in finding.evidence
    assert "before the model is called: `hidden = repackage(hidden)`" in finding.change
    assert (finding.line, finding.source) == (210, BACKWARD.source)


def test_a_window_of_several_steps_is_no_finding() -> None:
    window = {**STAGES, "backward": [4.0 + 4.0 * (step % 4) for step in range(200)]}
    assert found(detach, a_run(window, anatomy=Anatomy(graph=graph(), states=states("hidden")))) == ()
    assert found(detach, a_run(anatomy=Anatomy(graph=graph(), states=states("hidden")))) == ()


def test_a_machine_that_gets_slower_makes_no_window_longer() -> None:
    pace = [1 + step / 200 for step in range(200)]
    slower = {name: [ms * each for each in pace] for name, ms in STAGES.items() if isinstance(ms, float)}
    assert found(detach, a_run(slower, anatomy=Anatomy(graph=graph()))) == ()


def test_a_graph_that_is_let_go_after_many_steps() -> None:
    epochs = {**STAGES, "backward": [1.0 + step % 50 for step in range(2000)]}
    (finding,) = found(detach, a_run(epochs, anatomy=Anatomy(graph=graph(), states=states("hidden"))))
    assert (
        "Backward takes from 3.00 ms to 48.0 ms, as where a graph grows for many steps and is let go again."
    ) in finding.evidence
    assert finding.saving == pytest.approx((25.5 - 3) / (25.5 + 11.1), rel=0.01)


@pytest.mark.parametrize(("previous", "earlier"), [(0, 0), (9, 0), (0, 18)])
def test_a_detached_state_is_no_finding(previous: int, earlier: int) -> None:
    anatomy = Anatomy(graph=graph(previous=previous, earlier=earlier))
    assert found(detach, a_run(growing(100), anatomy=anatomy)) == ()


def test_it_abstains_without_its_signal() -> None:
    assert abstains(detach, a_run()) == "No step was looked at closely (no probe)."
    assert abstains(detach, a_run(anatomy=Anatomy())) == "No backward pass was seen in the probed step."
    missing = Anatomy(missing=(("graph", "torch.compile is in use"),))
    assert abstains(detach, a_run(anatomy=missing)) == "The probe has nothing on it: torch.compile is in use."


def test_a_run_out_of_memory() -> None:
    vitals = Vitals(failure=Failure("OutOfMemoryError", "CUDA out of memory.", BACKWARD))
    (finding,) = found(detach, a_run(growing(100), anatomy=Anatomy(graph=graph()), vitals=vitals))
    assert finding.evidence.endswith("The run ended with OutOfMemoryError.")


def test_the_failure_names_the_state() -> None:
    failure = Failure("RuntimeError", TWICE, BACKWARD, ("hidden",), CALL)
    run = a_run(steps=0, vitals=Vitals(failure=failure), ended="RuntimeError")
    (finding,) = found(detach, run)
    assert finding.title == "`hidden` is not detached between two steps: the run failed"
    assert finding.evidence == (
        "The run ended with RuntimeError: backward came into a part of the graph that an earlier backward "
        "pass has already freed. `hidden` comes into the step with the graph of an earlier one."
    )
    assert finding.change.startswith(
        "Write `hidden = repackage(hidden)` before line 207, `output, hidden = model(data, hidden)`; "
    )
    assert "`retain_graph=True` is no cure" in finding.change
    assert finding.urgent
    assert finding.saving is None
    assert finding.line == 207
    advice = advise(run)
    assert advice.findings[0].key == "detach"
    assert advice.findings[0].percent == "–"


def test_the_failure_of_a_recurrent_program_without_names() -> None:
    failure = Failure("RuntimeError", TWICE, BACKWARD)
    seen = a_run(steps=0, vitals=Vitals(failure=failure), anatomy=Anatomy(recurrent=(layer(),)))
    stage = Stage("init_hidden", series([100]))
    named = replace(seen, probe=None, lanes=(lane_of("train", {}, (stage,)),))
    for run in (seen, named):
        (finding,) = found(detach, run)
        assert finding.title == "A hidden state is not detached between two steps: the run failed"
        assert "nearly always a hidden state" in finding.evidence
        assert "before the model is called" in finding.change
        assert finding.line == 210


def test_the_failure_of_any_program() -> None:
    failure = Failure("RuntimeError", TWICE, None)
    (finding,) = found(detach, a_run(steps=0, vitals=Vitals(failure=failure)))
    assert finding.title == "Two backward passes go through one graph: the run failed"
    assert "Either backward is called twice on one result" in finding.evidence
    assert finding.file == ""
    assert finding.urgent


def test_a_parameter_that_changed_since() -> None:
    failure = Failure("RuntimeError", MODIFIED, BACKWARD, ("hidden",), CALL)
    (finding,) = found(detach, a_run(steps=0, vitals=Vitals(failure=failure)))
    assert "that an update has changed since" in finding.evidence
    # Without a state that comes from an earlier step there are many other reasons.
    other = Vitals(failure=Failure("RuntimeError", MODIFIED, BACKWARD))
    assert abstains(detach, a_run(steps=0, vitals=other)) == "No step was looked at closely (no probe)."


def test_another_failure_is_no_finding() -> None:
    vitals = Vitals(failure=Failure("ValueError", "no", BACKWARD, ("hidden",), CALL))
    assert found(detach, a_run(vitals=vitals, anatomy=Anatomy(graph=graph(9, 0, 0)))) == ()
