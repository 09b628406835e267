"""Children of torch modules as stages, and what must not change by it."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import threading
import traceback
from typing import Any

import pytest

import rnnprof
from rnnprof.instrument import hooks
from rnnprof.instrument.hooks import ModuleStages
from rnnprof.instrument.patches import Known
from rnnprof.testing import FakeClock
from tests.recorder.helpers import in_steps, outside, profile

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


class Slow(nn.Module):
    """Takes so many nanoseconds of a fake clock, then calls what is inside."""

    def __init__(self, clock: FakeClock, ns: int, inner: Any = None) -> None:
        super().__init__()
        self.ns = ns
        self.tick = clock.advance
        self.inner = inner

    def forward(self, x: Any) -> Any:
        self.tick(self.ns)
        return x if self.inner is None else self.inner(x)


class Model(nn.Module):
    """Calls its children one after another; its own time is one nanosecond for each."""

    def __init__(self, clock: FakeClock, **children: Any) -> None:
        super().__init__()
        self.tick = clock.advance
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, x: Any) -> Any:
        for child in self.children():
            self.tick(1)
            for part in child if isinstance(child, nn.ModuleList) else [child]:
                x = part(x)
        return x


class WordModel(nn.Module):
    """A small word language model."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.3)
        self.encoder = nn.Embedding(20, 6)
        self.rnn = nn.LSTM(6, 6, 2, dropout=0.3)
        self.decoder = nn.Linear(6, 20)

    def forward(self, x: Any, hidden: Any = None) -> Any:
        out, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(out)).view(-1, 20), hidden


def forward_in_a_step(clock: FakeClock, model: Any, depth: int = 1, **options: Any) -> dict[str, Any]:
    """The tree after one call of the model inside `forward` inside a step."""
    stages = ModuleStages(depth)
    with profile(clock, **options) as prof:
        stages.watch(model)
        with prof.step(), prof.stage("forward"):
            model(1)
    stages.close()
    return in_steps(prof.run)


def test_children_are_stages_named_by_their_attribute(clock: FakeClock) -> None:
    model = Model(clock, encoder=Slow(clock, 10), rnn=Slow(clock, 20, Slow(clock, 5)), none=None)
    assert forward_in_a_step(clock, model) == {
        "forward": (1, 37),
        "forward/encoder": (1, 10),
        "forward/rnn": (1, 25),
    }


def test_depth(clock: FakeClock) -> None:
    model = Model(clock, rnn=Slow(clock, 20, Slow(clock, 5, Slow(clock, 2))))
    assert forward_in_a_step(clock, model, depth=0) == {"forward": (1, 28)}
    assert forward_in_a_step(clock, model, depth=3) == {
        "forward": (1, 28),
        "forward/rnn": (1, 27),
        # A stage inside one of its own name is the same visit.
        "forward/rnn/inner": (1, 7),
    }


def test_lists_are_transparent_and_a_sequential_is_not(clock: FakeClock) -> None:
    layers = nn.ModuleList([Slow(clock, 10), Slow(clock, 20)])
    model = Model(clock, layers=layers, head=nn.Sequential(Slow(clock, 3), Slow(clock, 4)))
    assert forward_in_a_step(clock, model, depth=2) == {
        "forward": (1, 39),
        "forward/layers": (2, 30),
        "forward/head": (1, 7),
        "forward/head/0": (1, 3),
        "forward/head/1": (1, 4),
    }
    nested = nn.ModuleDict({"a": nn.ModuleList([Slow(clock, 1)]), "b": Slow(clock, 2)})
    found = [(name, child.ns) for name, child in hooks._children(torch, Model(clock, blocks=nested))]
    assert found == [("blocks", 1), ("blocks", 2)]


def test_parallel_wrappers_are_looked_through(clock: FakeClock) -> None:
    model = nn.DataParallel(Model(clock, encoder=nn.DataParallel(Slow(clock, 10, Slow(clock, 5)))))
    assert forward_in_a_step(clock, model, depth=2) == {
        "forward": (1, 16),
        "forward/encoder": (1, 15),
        "forward/encoder/inner": (1, 5),
    }


def test_outside_stages_and_profiles_nothing_is_opened(clock: FakeClock) -> None:
    model = Model(clock, encoder=Slow(clock, 10))
    stages = ModuleStages()
    stages.watch(model)
    assert model(1) == 1
    with profile(clock) as prof:
        with prof.step():
            model(1)
        with prof.lane("evaluate"):
            model(1)
            with prof.stage("predict"):
                model(1)
    with profile(clock, control_every=2) as muted:
        for _ in range(16):
            with muted.step(), muted.stage("forward"):
                model(1)
    model(1)
    stages.close()
    assert in_steps(prof.run) == {}
    assert outside(prof.run, "evaluate") == {"predict": (1, 11), "predict/encoder": (1, 10)}
    assert in_steps(muted.run)["forward/encoder"] == (8, 80)


def test_other_threads_are_called_through(clock: FakeClock) -> None:
    model = Model(clock, encoder=Slow(clock, 10))
    stages = ModuleStages()
    stages.watch(model)
    with profile(clock) as prof, prof.step(), prof.stage("forward"):
        thread = threading.Thread(target=model, args=(1,))
        thread.start()
        thread.join()
    stages.close()
    assert in_steps(prof.run) == {"forward": (1, 11)}
    assert [lane.name for lane in prof.run.lanes] == ["setup", "train"]


def test_shared_and_recursive_children(clock: FakeClock) -> None:
    class Tree(Slow):
        def forward(self, x: int) -> Any:
            self.tick(self.ns)
            return self(x - 1) if x else x

    shared = Slow(clock, 10)
    model = Model(clock, one=shared, tree=Tree(clock, 3), two=Slow(clock, 1, shared))
    model.again = shared
    assert forward_in_a_step(clock, model) == {
        "forward": (1, 30),
        "forward/one": (1, 10),
        "forward/tree": (1, 6),
        "forward/two": (1, 11),
        "forward/two/one": (1, 10),
    }


def test_a_class_and_its_subclass_both_watched(clock: FakeClock) -> None:
    class Own(Slow):
        def __call__(self, x: Any) -> Any:
            clock.advance(100)
            return super().__call__(x)

    before = dict(vars(Own)), dict(vars(Slow))
    model = Model(clock, base=Slow(clock, 1), own=Own(clock, 2))
    assert forward_in_a_step(clock, model) == {
        "forward": (1, 105),
        "forward/base": (1, 1),
        "forward/own": (1, 102),
    }
    assert (dict(vars(Own)), dict(vars(Slow))) == before


def test_more_models_and_the_same_one_twice(clock: FakeClock) -> None:
    stages = ModuleStages()
    with profile(clock) as prof:
        for ns in (10, 20):
            model = Model(clock, encoder=Slow(clock, ns), other=Slow(clock, 1))
            for _ in range(2):
                stages.watch(model)
                with prof.step(), prof.stage("forward"):
                    model(1)
        unwatched = Model(clock, encoder=Slow(clock, 5))
        with prof.step(), prof.stage("forward"):
            unwatched(1)
    stages.close()
    assert in_steps(prof.run) == {
        "forward": (5, 20 + 40 + 4 + 8 + 6),
        "forward/encoder": (4, 60),
        "forward/other": (4, 4),
    }


def test_anything_may_be_watched(clock: FakeClock) -> None:
    class Odd(nn.Module):
        _modules = property(lambda self: 1 / 0)

        def __init__(self) -> None:
            pass

    stages = ModuleStages()
    for what in (len, "text", None, Slow, Odd(), object(), lambda: 0):
        stages.watch(what)
    model = Model(clock, encoder=Slow(clock, 10))
    stages.watch(model.forward)
    with profile(clock) as prof, prof.step(), prof.stage("forward"):
        model.forward(1)
    stages.close()
    stages.close()
    stages.watch(model)
    assert "__call__" not in vars(Slow)
    assert in_steps(prof.run) == {"forward": (1, 11), "forward/encoder": (1, 10)}


def test_what_is_remembered_dies_with_the_module_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MAX_MODULES", 5)
    stages = ModuleStages()
    models = [nn.Sequential(nn.Identity(), nn.Identity()) for _ in range(7)]
    for model in models:
        stages.watch(model)
    assert (len(stages._seen), len(stages._children)) == (5, 5)
    del models, model
    gc.collect()
    assert (len(stages._seen), len(stages._children)) == (0, 0)
    stages.close()


def test_an_exception_passes_and_has_one_more_frame(clock: FakeClock) -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise KeyError("mine")

    model = Model(clock, broken=Broken(), after=Slow(clock, 1))
    with pytest.raises(KeyError) as plain:
        model(1)
    stages = ModuleStages()
    stages.watch(model)
    with profile(clock) as prof:
        with prof.step(), pytest.raises(KeyError) as caught, prof.stage("forward"):
            model(1)
    stages.close()
    ours = [
        frame for frame in traceback.extract_tb(caught.value.__traceback__) if "rnnprof" in frame.filename
    ]
    ours = [frame for frame in ours if "tests" not in frame.filename]
    assert [(frame.name, frame.filename) for frame in ours] == [("__call__", hooks.__file__)]
    assert len(traceback.extract_tb(caught.value.__traceback__)) == 1 + len(
        traceback.extract_tb(plain.value.__traceback__)
    )
    assert in_steps(prof.run) == {"forward": (1, 1), "forward/broken": (1, 0)}


def test_nothing_is_added_to_a_model(clock: FakeClock) -> None:
    torch.manual_seed(0)
    model = WordModel()
    model(torch.ones(3, 2, dtype=torch.long))

    def saved() -> tuple[bytes, bytes]:
        stream = io.BytesIO()
        torch.save(model, stream)
        return pickle.dumps(model), stream.getvalue()

    before = saved()
    names = [sorted(vars(module)) for module in model.modules()]
    classes = [dict(vars(type(module))) for module in model.modules()]
    autograd = dict(vars(torch.autograd)), dict(vars(torch.autograd.Function))
    stages = ModuleStages(worth_ns=0)
    with profile(clock) as prof:
        for _ in range(2):
            with prof.step():
                stages.watch(model)
                with prof.stage("forward"):
                    out = model(torch.ones(3, 2, dtype=torch.long))[0].sum()
                with prof.stage("backward"):
                    out.backward()
        model.zero_grad()
        assert saved() == before
        again = copy.deepcopy(model)
        with prof.step(), prof.stage("forward"):
            again(torch.ones(3, 2, dtype=torch.long))
    assert [sorted(vars(module)) for module in model.modules()] == names
    stages.close()
    assert [dict(vars(type(module))) for module in model.modules()] == classes
    assert (dict(vars(torch.autograd)), dict(vars(torch.autograd.Function))) == autograd
    # The copy is another model.
    assert in_steps(prof.run)["forward/encoder"] == (2, 0)


def test_a_patch_by_someone_else_on_top_stays_and_ours_does_nothing(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(Slow):
        pass

    model = Model(clock, child=Mine(clock, 1))
    stages = ModuleStages()
    stages.watch(model)
    below = Mine.__call__
    Mine.__call__ = theirs = lambda self, x: below(self, x)  # type: ignore[method-assign]
    stages.close()
    assert Mine.__call__ is theirs
    with profile(clock) as prof, prof.step(), prof.stage("forward"):
        model(1)
    assert in_steps(prof.run) == {"forward": (1, 2)}


def test_a_pickler_that_takes_classes_by_value_gets_nothing_of_this_process() -> None:
    known = Known()
    model = nn.ReLU()
    known.remember(model, "something")
    assert known == {id(model): "something"}
    assert pickle.loads(pickle.dumps(known)) == {}


def test_lazy_modules(clock: FakeClock) -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU())
    stages = ModuleStages()
    stages.watch(model)
    with profile(clock) as prof:
        for _ in range(2):
            with prof.step(), prof.stage("forward"):
                model(torch.ones(2, 4))
    stages.close()
    assert in_steps(prof.run)["forward/0"] == (2, 0)


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = nn.Sequential(nn.Linear(3, 3), nn.ReLU())

    def forward(self, x):  # type: ignore[no-untyped-def]
        # TorchScript reads annotations.
        return self.b(self.a(x))


def test_compiled_models_are_left_alone(clock: FakeClock) -> None:
    torch._dynamo.reset()
    compiled: list[int] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(len([node for node in graph.graph.nodes if node.op == "call_function"]))
        return graph.forward

    x = torch.ones(2, 3)
    early, late, watched = Pair(), Pair(), Pair()
    first = torch.compile(early, backend=backend, fullgraph=True)
    expected = first(x)
    stages = ModuleStages()
    stages.watch(first)
    stages.watch(watched)
    assert torch.equal(first(x), expected)
    second = torch.compile(late, backend=backend, fullgraph=True)
    stages.watch(second)
    third = torch.compile(watched, backend=backend, fullgraph=True)
    fourth = Pair()
    fourth.compile(backend=backend, fullgraph=True)
    stages.watch(fourth)
    with profile(clock) as prof, prof.step(), prof.stage("forward"):
        for model in (second, third, fourth):
            assert torch.equal(model(x), model(x))
    assert len(set(compiled)) == 1
    for model in (late, watched):
        assert torch._dynamo.explain(model)(x).graph_break_count == 0
    stages.close()
    assert in_steps(prof.run) == {"forward": (1, 0)}


class Around(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.pair(x)


def test_a_watched_class_that_is_compiled_itself(clock: FakeClock) -> None:
    """Then the patched call is the outermost frame that Dynamo meets."""
    torch._dynamo.reset()
    x = torch.ones(2, 3)
    model = Around()
    stages = ModuleStages(depth=2, worth_ns=0)
    stages.watch(model)
    another = torch.compile(Pair(), backend="eager", fullgraph=True)
    child = torch.compile(model.pair, backend="eager", fullgraph=True)
    broken = torch.compile(lambda x: (model(x).sum().backward(), model(x))[1], backend="eager")
    with profile(clock) as prof, prof.step(), prof.stage("forward"):
        assert another(x).shape == (2, 3)
        assert torch.equal(child(x), broken(x))
        with prof.stage("backward"):
            broken(x)
    stages.close()
    assert in_steps(prof.run) == {"forward": (1, 0), "forward/backward": (1, 0)}


def test_scripting_tracing_and_fx_see_the_plain_modules() -> None:
    x = torch.ones(2, 3)
    plain = [node.op for node in torch.fx.symbolic_trace(Pair()).graph.nodes]
    model = Pair()
    stages = ModuleStages(depth=2)
    stages.watch(model)
    assert [node.op for node in torch.fx.symbolic_trace(model).graph.nodes] == plain
    assert [node.op for node in torch.fx.symbolic_trace(Pair()).graph.nodes] == plain
    scripted = torch.jit.script(model)
    assert torch.equal(scripted(x), model(x))
    assert torch.equal(torch.jit.trace(model, x)(x), model(x))
    holder = nn.Sequential(scripted, nn.ReLU())
    stages.watch(holder)
    assert id(scripted) not in stages._children
    stages.close()


def test_active_profile_of_another_kind_is_no_obstacle() -> None:
    with rnnprof.profile(None, control_every=0, warmup=0) as prof:
        stages = ModuleStages()
        model = Pair()
        stages.watch(model)
        with prof.step(), prof.stage("forward"):
            model(torch.ones(2, 3))
        stages.close()
    assert list(in_steps(prof.run)) == ["forward", "forward/a", "forward/b"]
