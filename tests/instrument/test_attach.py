"""`rnnprof.attach`: stages and steps by hooks, and everything as before afterwards."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from typing import Any

import pytest

import rnnprof
from rnnprof.errors import UsageError
from rnnprof.instrument.attach import attach
from rnnprof.testing import FakeClock
from tests.instrument.attach_loop import BACKWARD, BUSY, ONE, Descent, Loop, Loss, Model, Part, times
from tests.recorder.helpers import in_steps, outside, profile, steps

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("no_trial")]


# ---- stages ---------------------------------------------------------------------------------


def test_in_steps_of_the_users(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof, loop.attach():
        for _ in range(3):
            with prof.step():
                loop.turn()
            clock.advance(1000)
    assert in_steps(prof.run) == times(3)
    assert steps(prof.run).total_ns == 3 * (BUSY + 42)


def test_without_an_optimizer_there_are_no_steps(loop: Loop, clock: FakeClock) -> None:
    with profile(clock) as prof, attach(loop.model, depth=0):
        loop.turn()
    assert [one.name for one in prof.run.lanes] == ["setup"]
    assert outside(prof.run, "setup") == {
        "forward": (1, 21),
        "backward": (1, BACKWARD),
        "clip": (1, 0),
    }


def test_only_what_was_attached(loop: Loop, clock: FakeClock) -> None:
    other = Loop(clock)
    with profile(clock) as prof, loop.attach(), prof.step():
        other.model.zero_grad()
        other.optimizer.zero_grad()
        other.loss(other.model(other.x)).backward()
        other.optimizer.step()
        loop.model.zero_grad()
    assert in_steps(prof.run) == {"backward": (1, BACKWARD), "zero_grad": (1, 0)}


def test_without_a_profile_and_in_a_second_one(loop: Loop, clock: FakeClock) -> None:
    with loop.attach():
        loop.turn()
        for _ in range(2):
            with profile(clock) as prof:
                loop.turn()
            assert in_steps(prof.run) == ONE
        loop.turn()


def test_autograd_functions_and_every_way_to_clip(loop: Loop, clock: FakeClock) -> None:
    parameters = list(loop.model.parameters())
    with profile(clock) as prof, loop.attach(depth=0), prof.step():
        torch.autograd.backward([loop.model(loop.x).sum()])
        torch.autograd.grad(loop.model(loop.x).sum(), parameters)
        nn.utils.clip_grad_value_(parameters, 1.0)
        nn.utils.clip_grad.clip_grad_norm_(parameters, 1.0)
        nn.utils.clip_grad_norm(parameters, 1.0)
    assert in_steps(prof.run) == {
        "forward": (2, 42),
        "backward": (2, 2 * BACKWARD),
        "clip": (3, 0),
    }


def test_a_scheduler_before_and_after(loop: Loop, clock: FakeClock) -> None:
    early = torch.optim.lr_scheduler.StepLR(loop.optimizer, 1)
    before = vars(loop.optimizer)["step"]
    with profile(clock) as prof:
        with loop.attach():
            loop.turn()
            early.step()
        assert vars(loop.optimizer)["step"] is before
    other = Loop(clock)
    with profile(clock) as second:
        with other.attach():
            torch.optim.lr_scheduler.StepLR(other.optimizer, 1)
            other.turn()
        other.turn()
    assert in_steps(prof.run)["update"] == in_steps(second.run)["update"] == (1, 100)


# ---- nothing changes ------------------------------------------------------------------------


def things(loop: Loop) -> list[Any]:
    """All that attach patches."""
    return [
        *(dict(vars(cls)) for cls in (Model, Part, Loss, Descent, nn.Module, torch.optim.Optimizer)),
        *(dict(vars(module)) for module in (torch.autograd, nn.utils, nn.utils.clip_grad)),
        dict(vars(torch.Tensor)),
        dict(vars(torch.autograd.Function)),
        dict(vars(loop.optimizer)),
        [dict(vars(module)) for module in (*loop.model.modules(), loop.loss)],
    ]


def test_everything_is_restored(loop: Loop, clock: FakeClock) -> None:
    before = things(loop)
    with pytest.raises(KeyError), profile(clock) as prof:
        mark = vars(prof)["_step"]
        with loop.attach():
            loop.turn()
            raise KeyError
    assert vars(prof)["_step"] == mark
    assert things(loop) == before
    with pytest.raises(TypeError):
        with loop.attach():
            loop.model()
    assert things(loop) == before


def test_pickles_and_copies_are_the_same() -> None:
    model = nn.LSTM(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.ones(1, 2))[0].sum().backward()
    optimizer.step()

    def saved() -> list[bytes]:
        streams = [io.BytesIO() for _ in range(3)]
        for what, stream in zip((model, optimizer.state_dict(), copy.deepcopy(model)), streams, strict=True):
            torch.save(what, stream)
        return [pickle.dumps(model), pickle.dumps(optimizer), *(stream.getvalue() for stream in streams)]

    before = saved()
    signature = inspect.signature(optimizer.step)
    with attach(model, optimizer=optimizer):
        assert saved() == before
        assert inspect.signature(optimizer.step) == signature
        assert torch.optim.SGD.step.hooked
    assert "__call__" not in vars(nn.LSTM)


class WordModel(nn.Module):
    """A small word language model."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.3)
        self.encoder = nn.Embedding(20, 6)
        self.rnn = nn.LSTM(6, 6, 2, dropout=0.3)
        self.decoder = nn.Linear(6, 20)

    def forward(self, x: Any) -> Any:
        return self.decoder(self.drop(self.rnn(self.drop(self.encoder(x)))[0])).view(-1, 20)


@pytest.mark.parametrize("made", ["Adam", "LBFGS"])
def test_losses_are_the_same_to_the_bit(made: str) -> None:
    def train(attached: bool) -> list[Any]:
        torch.manual_seed(1)
        model, criterion = WordModel(), nn.CrossEntropyLoss()
        optimizer = getattr(torch.optim, made)(model.parameters())
        seen = []
        attachment = attach(model, optimizer=optimizer, criterion=criterion) if attached else None
        for _ in range(6):
            x = torch.randint(20, (7, 3))

            def closure() -> Any:
                optimizer.zero_grad()
                loss = criterion(model(x), x.view(-1))  # noqa: B023
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.25)
                return loss

            seen.append(optimizer.step(closure).detach())
        if attachment is not None:
            attachment.remove()
        return [*seen, *model.state_dict().values(), torch.rand(1)]

    plain = train(False)
    with rnnprof.profile(None, warmup=0, control_every=2) as prof:
        attached = train(True)
    assert all(torch.equal(one, other) for one, other in zip(plain, attached, strict=True))
    assert {"update/backward/rnn", "update/clip"} <= set(in_steps(prof.run))


def test_a_compiled_model_and_its_training(clock: FakeClock) -> None:
    torch._dynamo.reset()
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    inside = nn.Sequential(nn.Linear(2, 2))
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.ones(3, 2)
    with profile(clock) as prof, attach([compiled, inside], optimizer=optimizer, criterion=criterion):
        for _ in range(3):
            criterion(compiled(x), x).backward()
            optimizer.step()
            optimizer.zero_grad()
        again = torch.compile(lambda x: criterion(inside(x), x), backend="eager", fullgraph=True)
        assert again(x).item() > 0
        whole = torch.compile(inside, backend="eager", fullgraph=True)
        assert whole(x).shape == x.shape
    assert in_steps(prof.run) == {
        "forward": (3, 0),
        "loss": (3, 0),
        "backward": (3, 0),
        "update": (3, 0),
        "zero_grad": (2, 0),
    }


# ---- wrong use ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": lambda x: x}, "model is a torch.nn.Module or a list of them, not function"),
        ({"model": nn.LSTM}, "model is .*, not type: give an object, not the class LSTM"),
        ({"model": None}, "attach needs a model"),
        ({"model": []}, "attach needs a model"),
        ({"model": nn.ReLU(), "optimizer": "sgd"}, "optimizer is a torch.optim.Optimizer .*, not str"),
        (
            {"model": nn.ReLU(), "criterion": nn.functional.cross_entropy},
            "criterion is .*: a plain function cannot be hooked",
        ),
        ({"model": nn.ReLU(), "depth": -1}, "depth is a whole number, 0 or more, not -1"),
        ({"model": nn.ReLU(), "depth": True}, "depth is a whole number"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        attach(**arguments)
    assert "\n" not in str(caught.value)


def test_the_public_name() -> None:
    assert rnnprof.attach is attach
