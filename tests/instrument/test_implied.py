"""Steps that nobody marked: from update to update."""

from __future__ import annotations

from typing import Any

import pytest

import rnnprof
from rnnprof.instrument.attach import attach
from rnnprof.testing import FakeClock
from tests.instrument.attach_loop import BACKWARD, BUSY, Descent, Loop, times
from tests.recorder.helpers import in_steps, lane, outside, profile, steps

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("no_trial")


def test_a_step_goes_from_update_to_update(loop: Loop, clock: FakeClock) -> None:
    clock.advance(7)
    with profile(clock) as prof:
        with loop.attach():
            for _ in range(4):
                loop.turn()
            clock.advance(1000)
    assert in_steps(prof.run) == times(4)
    # The fetch of the first batch came before the first mark.
    assert steps(prof.run).total_ns == 4 * BUSY + 3 * 42
    assert steps(prof.run).count == 4


def test_a_profile_that_ends_first_drops_the_open_step(loop: Loop, clock: FakeClock) -> None:
    attachment = loop.attach()
    with profile(clock) as prof:
        loop.turn()
        loop.turn()
    attachment.remove()
    attachment.remove()
    assert steps(prof.run).count == 2


def test_accumulated_gradients_are_one_step(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof, loop.attach(depth=0):
        for _ in range(2):
            for _ in range(3):
                loop.loss(loop.model(loop.x)).backward()
            loop.optimizer.step()
            loop.optimizer.zero_grad()
    assert steps(prof.run).count == 2
    assert in_steps(prof.run) == {
        "forward": (6, 126),
        "loss": (6, 30),
        "backward": (6, 6 * BACKWARD),
        "update": (2, 200),
        "zero_grad": (1, 3),
    }


def test_the_last_of_several_optimizers_ends_the_step(loop: Loop, clock: FakeClock) -> None:
    second = Descent(loop.model.parameters(), clock.advance)
    with profile(clock) as prof, attach([loop.model], optimizer=[loop.optimizer, second], depth=0):
        for _ in range(3):
            loop.model(loop.x).sum().backward()
            loop.optimizer.step()
            second.step()
    assert steps(prof.run).count == 3
    assert in_steps(prof.run)["update"] == (6, 600)


def test_a_closure_nests_in_the_update(loop: Loop, clock: FakeClock) -> None:
    def closure() -> Any:
        loop.optimizer.zero_grad()
        loss = loop.loss(loop.model(loop.x))
        loss.backward()
        return loss

    with profile(clock) as prof, loop.attach(depth=0):
        for _ in range(2):
            loop.optimizer.step(closure)
    assert in_steps(prof.run) == times(
        2,
        {
            "update": (1, BUSY),
            "update/zero_grad": (1, 3),
            "update/forward": (1, 21),
            "update/loss": (1, 5),
            "update/backward": (1, BACKWARD),
        },
    )


def test_evaluation_has_its_own_lane(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof:
        with loop.attach():
            loop.evaluate()
            for _ in range(2):
                loop.turn()
                loop.turn()
                loop.evaluate(2)
    assert in_steps(prof.run) == times(4)
    # The step that would have held the evaluation was none; what follows it is one.
    assert steps(prof.run).total_ns == 4 * BUSY + 2 * 42 + 40
    evaluation = outside(prof.run, "evaluate")
    assert (evaluation["forward"], evaluation["loss"]) == ((5, 105), (5, 25))
    assert evaluation["forward/encoder"] == (5, 50)
    assert lane(prof.run, "evaluate").steps == {}


def test_gradients_zeroed_at_the_end_of_a_turn_are_no_training_yet(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof, loop.attach(depth=0):
        for _ in range(2):
            loop.loss(loop.model(loop.x)).backward()
            loop.optimizer.step()
            loop.optimizer.zero_grad()
            loop.evaluate()
    assert steps(prof.run).count == 2
    assert in_steps(prof.run)["forward"] == (2, 42)
    assert outside(prof.run, "evaluate")["forward"] == (2, 42)


def test_a_model_called_without_gradients_within_a_step_is_part_of_it(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof, loop.attach(depth=0):
        loss = loop.loss(loop.model(loop.x))
        with torch.no_grad():
            loop.model(loop.x)
        loss.backward()
        loop.optimizer.step()
    assert in_steps(prof.run)["forward"] == (2, 42)


def test_the_users_steps_come_first(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof, loop.attach():
        loop.model(loop.x)
        loop.optimizer.zero_grad()
        for _ in range(2):
            with rnnprof.step():
                loop.turn()
            clock.advance(1000)
            loop.evaluate()
    assert steps(prof.run).total_ns == 2 * (BUSY + 42)
    assert outside(prof.run, "train")["forward"] == (2, 42)


def test_the_users_lanes_and_stages(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof, loop.attach(depth=0):
        with prof.stage("pretrain"):
            loop.turn()
        loop.turn()
        with prof.lane("evaluate"):
            with prof.step(), prof.stage("predict"):
                loop.evaluate()
            loop.turn()
        with prof.stage("log"):
            clock.advance(9)
        loop.turn()
        with prof.stage("epoch"):
            loop.turn()
        loop.turn()
    assert outside(prof.run, "setup")["pretrain/forward"] == (1, 21)
    assert outside(prof.run, "evaluate")["forward"] == (1, 21)
    assert in_steps(prof.run, name="evaluate") == {
        "predict": (1, 66),
        "predict/forward": (1, 21),
        "predict/loss": (1, 5),
    }
    # The step in which the stage `epoch` was opened and closed is not counted, nor the last turn.
    tree = in_steps(prof.run)
    assert (steps(prof.run).count, tree["log"], tree["forward"]) == (2, (1, 9), (2, 42))


def test_an_exception_drops_the_step(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof, loop.attach(depth=0):
        loop.turn()
        with pytest.raises(TypeError):
            loop.model(None)
        clock.advance(1000)
        loop.turn()
        loop.turn()
        with pytest.raises(TypeError), prof.stage("mine"):
            loop.model(None)
        loop.turn()
        loop.turn()
        with pytest.raises(TypeError), torch.no_grad():
            loop.model(None)
        loop.turn()
    assert {"code": "aborted_steps", "count": 1} in prof.run.notes
    assert steps(prof.run).count == 5
    assert in_steps(prof.run)["forward"] == (5, 105)


def test_control_steps_and_kinds(loop: Loop, clock: FakeClock) -> None:
    with profile(clock, warmup=2, control_every=4) as prof, loop.attach():
        for turn in range(50):
            loop.turn()
            if turn % 10 == 9:
                loop.evaluate(5)
    found = {kind: group.series.count for kind, group in lane(prof.run, "train").steps.items()}
    assert found == {"warmup": 2, "control": 12, "host": 36}
    assert in_steps(prof.run)["update"] == (36, 3600)
