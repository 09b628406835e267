"""The backward pass divided among a model's children, and what must not change by it."""

from __future__ import annotations

import gc
import random
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest

import rnnprof
from rnnprof.instrument import backward, worth
from rnnprof.instrument.hooks import ModuleStages
from rnnprof.marks import Mark
from rnnprof.testing import FakeClock
from tests.recorder.helpers import in_steps, profile

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence  # noqa: E402


class _Timed(torch.autograd.Function):
    """Adds one; takes so many nanoseconds backward."""

    @staticmethod
    def forward(context: Any, x: Any, tick: Any, ns: int) -> Any:
        context.tick, context.ns = tick, ns
        return x + 1

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        context.tick(context.ns)
        return gradient, None, None


class Part(nn.Module):
    """A module with a weight; its nodes take so many nanoseconds backward."""

    def __init__(self, clock: FakeClock, *ns: int) -> None:
        super().__init__()
        self.ns = ns
        self.tick = clock.advance
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: Any) -> Any:
        x = x * self.weight
        for ns in self.ns:
            x = _Timed.apply(x, self.tick, ns)
        return x


class Chain(nn.Module):
    """Encoder, rnn, decoder; with work of its own between them."""

    def __init__(self, clock: FakeClock, own: int = 0) -> None:
        super().__init__()
        self.own = own
        self.tick = clock.advance
        self.encoder = Part(clock, 10)
        self.rnn = Part(clock, 200, 100)
        self.decoder = Part(clock, 1000)

    def forward(self, x: Any) -> Any:
        x = self.rnn(self.encoder(x))
        if self.own:
            x = _Timed.apply(x, self.tick, self.own)
        return self.decoder(x)


@pytest.fixture
def stages() -> Iterator[ModuleStages]:
    """Hooks that divide every pass, however short."""
    stages = ModuleStages(worth_ns=0)
    yield stages
    stages.close()


def one_step(prof: Any, stages: ModuleStages, model: Any, x: Any = None) -> None:
    """A training step without an update."""
    stages.watch(model)
    with prof.step():
        with prof.stage("forward"):
            out = model(torch.ones(2) if x is None else x)
        with prof.stage("backward"):
            out.sum().backward()


def test_a_pass_is_divided_exactly(clock: FakeClock, stages: ModuleStages) -> None:
    model = Chain(clock, own=7)
    with profile(clock) as prof:
        for _ in range(3):
            one_step(prof, stages, model)
    assert in_steps(prof.run) == {
        "forward": (3, 0),
        "forward/encoder": (3, 0),
        "forward/rnn": (3, 0),
        "forward/decoder": (3, 0),
        "backward": (3, 3 * 1317),
        "backward/decoder": (3, 3000),
        "backward/rnn": (3, 900),
        "backward/encoder": (3, 30),
    }


def test_inside_boundary_marks(clock: FakeClock, stages: ModuleStages) -> None:
    forward, backward_pass, update = Mark("forward"), Mark("backward"), Mark("update")
    model = Chain(clock, own=7)
    stages.watch(model)
    with profile(clock) as prof:
        for _ in range(3):
            with prof.step():
                forward()
                out = model(torch.ones(2)).sum()
                backward_pass()
                out.backward()
                update()
                clock.advance(1)
    tree = in_steps(prof.run)
    assert (tree["backward"], tree["backward/rnn"], tree["update"]) == ((3, 3951), (3, 900), (3, 3))
    assert tree["forward/rnn"] == (3, 0)


def test_what_is_before_the_first_child_belongs_to_the_pass_itself(
    clock: FakeClock, stages: ModuleStages
) -> None:
    class Prepared(Chain):
        def forward(self, x: Any) -> Any:
            loss = super().forward(_Timed.apply(x.requires_grad_(), self.tick, 5))
            return _Timed.apply(loss, self.tick, 50)

    with profile(clock) as prof:
        one_step(prof, stages, Prepared(clock))
    tree = in_steps(prof.run)
    assert (
        tree["backward"][1] - sum(tree[f"backward/{name}"][1] for name in ("encoder", "rnn", "decoder")) == 55
    )
    assert tree["backward/encoder"] == (1, 10)


def test_nested_children(clock: FakeClock) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(Part(clock, 1), Part(clock, 20))
            self.chain = Chain(clock, own=7)

        def forward(self, x: Any) -> Any:
            return self.chain(self.layers(x))

    stages = ModuleStages(depth=2, worth_ns=0)
    with profile(clock) as prof:
        one_step(prof, stages, Outer())
    stages.close()
    tree = in_steps(prof.run)
    assert {path: value for path, value in tree.items() if path.startswith("backward")} == {
        "backward": (1, 1338),
        "backward/chain": (1, 1317),
        "backward/chain/decoder": (1, 1000),
        "backward/chain/rnn": (1, 300),
        "backward/chain/encoder": (1, 10),
        "backward/layers": (1, 21),
        "backward/layers/1": (1, 20),
        "backward/layers/0": (1, 1),
    }


@pytest.mark.parametrize("form", ["tuple", "dict", "packed", "nested"])
def test_inputs_and_outputs_in_containers(clock: FakeClock, stages: ModuleStages, form: str) -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = Part(clock, 10)

        def forward(self, value: Any) -> Any:
            if form == "tuple":
                return self.part(value[0]), None
            if form == "dict":
                return {"out": self.part(value["x"]), "n": 1}
            if form == "nested":
                return [[(self.part(value[0][0][0]),)]]
            return value._replace(data=self.part(value.data))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrapped = Wrapped()

        def forward(self, x: Any) -> Any:
            x = _Timed.apply(x.requires_grad_(), clock.advance, 3)
            if form == "tuple":
                return self.wrapped((x, 1))[0]
            if form == "dict":
                return self.wrapped(value={"x": x})["out"]
            if form == "nested":
                return self.wrapped([[(x,)]])[0][0][0]
            packed = pack_padded_sequence(x.view(2, 1), torch.tensor([2]))
            out = self.wrapped(packed)
            assert isinstance(out, PackedSequence)
            return out.data

    with profile(clock) as prof:
        one_step(prof, stages, Model())
    tree = in_steps(prof.run)
    assert (tree["backward"], tree["backward/wrapped"]) == ((1, 13), (1, 10))


def test_a_module_that_gives_back_its_input_takes_none_of_the_time(
    clock: FakeClock, stages: ModuleStages
) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = Part(clock, 10)
            self.drop = nn.Dropout(0.0).eval()

        def forward(self, x: Any) -> Any:
            return self.drop(self.part(x))

    with profile(clock) as prof:
        one_step(prof, stages, Model())
    tree = in_steps(prof.run)
    assert tree["backward/part"] == (1, 10)
    assert "backward/drop" not in tree


def test_only_inside_a_stage_named_backward_in_a_step(clock: FakeClock, stages: ModuleStages) -> None:
    model = Chain(clock)
    stages.watch(model)
    x = torch.ones(2)
    with profile(clock) as prof:
        with prof.step():
            with prof.stage("forward"):
                outs = [model(x).sum() for _ in range(3)]
            with prof.stage("mine"):
                outs[0].backward()
            outs[1].backward()
            with prof.stage("backward"):
                with prof.stage("inner"):
                    outs[2].backward()
        with prof.stage("forward"):
            loss = model(x).sum()
        with prof.stage("backward"):
            loss.backward()
    assert {path for path in in_steps(prof.run) if path.count("/")} == {
        "forward/encoder",
        "forward/rnn",
        "forward/decoder",
        "backward/inner",
    }


def test_autograd_grad_and_a_function_imported_before(clock: FakeClock) -> None:
    from torch.autograd import grad

    stages = ModuleStages(worth_ns=0)
    model = Chain(clock)
    stages.watch(model)
    with profile(clock) as prof, prof.step():
        with prof.stage("forward"):
            out = model(torch.ones(2)).sum()
        with prof.stage("backward"):
            grad(out, list(model.parameters()))
    stages.close()
    assert in_steps(prof.run)["backward/rnn"] == (1, 300)


def test_two_passes_over_one_graph_and_two_models(clock: FakeClock, stages: ModuleStages) -> None:
    """A generator is called first, and its pass comes after the critic's."""
    maker, critic = Chain(clock), Chain(clock)
    with profile(clock) as prof, prof.step():
        for model in (maker, critic):
            stages.watch(model)
        with prof.stage("forward"):
            made = maker(torch.ones(2))
            judged = critic(made.detach()).sum()
        with prof.stage("backward"):
            judged.backward()
        with prof.stage("forward"):
            judged = critic(made).sum()
        with prof.stage("backward"):
            judged.backward(retain_graph=True)
        with prof.stage("backward"):
            judged.backward()
    tree = in_steps(prof.run)
    assert tree["backward/decoder"] == (5, 5000)
    assert tree["backward"] == (3, 5 * 1310)


def test_an_exception_in_the_pass_closes_what_is_open(clock: FakeClock, stages: ModuleStages) -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return x + 1

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            raise KeyError("mine")

    class Model(Chain):
        def forward(self, x: Any) -> Any:
            return self.decoder(Broken.apply(self.rnn(x)))

    model = Model(clock)
    with profile(clock) as prof:
        for _ in range(2):
            with prof.step():
                stages.watch(model)
                with prof.stage("forward"):
                    out = model(torch.ones(2)).sum()
                with pytest.raises(KeyError, match="mine"), prof.stage("backward"):
                    out.backward()
                with prof.stage("update"):
                    clock.advance(1)
    tree = in_steps(prof.run)
    assert (tree["backward/decoder"], tree["update"]) == ((2, 2000), (2, 2))
    assert "backward/rnn" not in tree


def test_reentrant_passes(clock: FakeClock, stages: ModuleStages) -> None:
    from torch.utils.checkpoint import checkpoint

    class Model(Chain):
        reentrant = True

        def forward(self, x: Any) -> Any:
            x = self.encoder(x)
            return self.decoder(checkpoint(self.rnn, x, use_reentrant=self.reentrant))

    model = Model(clock)
    for reentrant in (True, False):
        model.reentrant = reentrant
        with profile(clock) as prof:
            one_step(prof, stages, model)
        tree = in_steps(prof.run)
        assert (tree["backward"], tree["backward/decoder"]) == ((1, 1310), (1, 1000))
        assert tree["backward/encoder"] == (1, 10)


def test_off_and_no_gradients(clock: FakeClock) -> None:
    off = ModuleStages(backward=False)
    model = Chain(clock)
    with profile(clock) as prof:
        one_step(prof, off, model)
        with torch.no_grad(), prof.step(), prof.stage("forward"):
            model(torch.ones(2))
    off.close()
    assert "backward/rnn" not in in_steps(prof.run)
    assert in_steps(prof.run)["forward/rnn"] == (2, 0)


def test_a_model_that_needs_too_many_nodes_is_not_divided_any_more(
    clock: FakeClock, stages: ModuleStages
) -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = Part(clock, 1)
            self.turns = 2

        def forward(self, x: Any) -> Any:
            for _ in range(self.turns):
                x = self.cell(x)
            return x

    loop, other = Loop(), Chain(clock)
    with profile(clock) as prof:
        for loop.turns in (2, worth.MAX_NODES, worth.MAX_NODES + 1, 2):
            one_step(prof, stages, loop)
        one_step(prof, stages, other)
    tree = in_steps(prof.run)
    assert tree["backward/cell"][1] == 2 + worth.MAX_NODES
    assert tree["backward"][1] == 2 + 2 * worth.MAX_NODES + 1 + 2 + 1310
    assert tree["backward/rnn"] == (1, 300)


@pytest.mark.parametrize("enough", [True, False])
def test_a_pass_is_divided_after_the_trial_if_it_is_worth_it(clock: FakeClock, enough: bool) -> None:
    """Three nodes are noted, and a pass takes 1310 ns."""
    stages = ModuleStages(worth_ns=1310 // 3 if enough else 1310 // 3 + 1)
    model = Chain(clock)
    with profile(clock) as prof:
        for _ in range(12):
            one_step(prof, stages, model)
    stages.close()
    later = 12 - worth.TRIAL
    assert in_steps(prof.run).get("backward/rnn") == ((later, 300 * later) if enough else None)


def test_a_graph_that_is_freed_frees_its_hooks(clock: FakeClock, stages: ModuleStages) -> None:
    model = Chain(clock)
    with profile(clock) as prof, prof.step():
        stages.watch(model)
        with prof.stage("forward"):
            out = model(torch.ones(2))
        node = weakref.ref(out.grad_fn)
        del out
        assert node() is None
        for _ in range(2 * backward._REMEMBERED):
            with prof.stage("forward"):
                out = model(torch.ones(2)).sum()
            with prof.stage("backward"):
                out.backward()
        assert len(stages._divider._noted) <= backward._REMEMBERED + 3  # type: ignore[union-attr]
        del out
        gc.collect()
        assert not [one for one in gc.get_objects() if type(one) is OrderedDict and "rnnprof" in one]


def test_a_hook_of_the_users_on_the_same_node(clock: FakeClock, stages: ModuleStages) -> None:
    model = Chain(clock)
    seen = []
    stages.watch(model)
    with profile(clock) as prof, prof.step():
        with prof.stage("forward"):
            x = torch.ones(2, requires_grad=True)
            early = (x * 1).grad_fn
            handle = early.register_prehook(lambda gradients: None)
            handle.remove()
            out = model(x)
            removed = out.grad_fn.register_prehook(lambda gradients: seen.append("removed"))
            out.grad_fn.register_prehook(lambda gradients: seen.append("kept"))
            removed.remove()
        with prof.stage("backward"):
            out.sum().backward()
    assert seen == ["kept"]
    assert in_steps(prof.run)["backward/decoder"] == (1, 1000)


class WordModel(nn.Module):
    """A small word language model with tied weights."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.3)
        self.encoder = nn.Embedding(20, 6)
        self.rnn = nn.LSTM(6, 6, 2, dropout=0.3)
        self.decoder = nn.Linear(6, 20)
        self.decoder.weight = self.encoder.weight

    def forward(self, x: Any, hidden: Any) -> Any:
        out, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(out)).view(-1, 20), hidden


def train(stages: ModuleStages | None) -> tuple[list[Any], dict[str, Any]]:
    """Losses and gradients of some steps, and the tree of stages."""
    torch.manual_seed(1)
    random.seed(1)
    model = WordModel()
    hidden: Any = None
    seen: list[Any] = []
    with rnnprof.profile(None, control_every=4, warmup=2) as prof:
        for _ in range(20):
            with prof.step():
                x = torch.randint(20, (7, 3))
                if hidden is not None:
                    hidden = tuple(part.detach() for part in hidden)
                model.zero_grad()
                if stages is not None:
                    stages.watch(model)
                with prof.stage("forward"):
                    out, hidden = model(x, hidden)
                with prof.stage("backward"):
                    loss = nn.functional.cross_entropy(out, x.view(-1))
                    loss.backward()
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter -= 0.5 * parameter.grad
            seen += [loss.detach(), *(p.grad.clone() for p in model.parameters()), torch.rand(1)]
    return seen, in_steps(prof.run)


def test_losses_gradients_and_random_numbers_are_the_same_to_the_bit(stages: ModuleStages) -> None:
    plain, _ = train(None)
    watched, tree = train(stages)
    assert len(plain) == len(watched)
    assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))
    assert [path for path in tree if path.startswith("backward/")] == [
        "backward/decoder",
        "backward/drop",
        "backward/rnn",
        "backward/encoder",
    ]
    assert tree["backward/drop"][0] == 2 * tree["backward"][0]
