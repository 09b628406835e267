"""`instrument()`: functions, methods, closures; what it refuses; what it leaves behind."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import traceback
import types
from pathlib import Path
from typing import Any

import pytest

import rnnprof
from rnnprof.testing import FakeClock
from tests.recorder.helpers import in_steps, profile, steps

numbers = itertools.count()

HEAD = """\
class Model:
    def __init__(self):
        self.calls = 0
    def __call__(self, x):
        self.calls += 1
        return work(10, self)
    def backward(self):
        work(100)
    def step(self):
        work(1000)
model = optimizer = Model()
"""
STEP = """\
    loss = model(x)
    loss.backward()
    optimizer.step()
    return loss
"""
STAGES = {"forward": 10, "backward": 100, "update": 1000}


@pytest.fixture
def load(tmp_path: Path, clock: FakeClock) -> Any:
    """Make a module of its source: ``work(ns, value)`` in it takes so long."""

    def work(ns: int, value: Any = None) -> Any:
        clock.advance(ns)
        return value

    def make(text: str, **names: Any) -> Any:
        name = f"wrapped_{next(numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        vars(module).update(work=work, rnnprof=rnnprof, **names)
        spec.loader.exec_module(module)
        return module

    return make


def stages(run: Any) -> dict[str, int]:
    """Nanoseconds of each stage in the steps of a run."""
    return {name: ns for name, (_, ns) in in_steps(run).items()}


def times(count: int, names: dict[str, int] = STAGES) -> dict[str, int]:
    """What so many steps take."""
    return {name: count * ns for name, ns in names.items()}


def test_a_function_that_is_one_step(load: Any, clock: FakeClock) -> None:
    module = load("def step(x: int, *more, k=1, **rest) -> Model:\n    'doc'\n" + STEP + "before = step")
    step = rnnprof.instrument(module.step)
    assert step is not module.step
    assert (step.__name__, step.__qualname__, step.__doc__) == ("step", "step", "doc")
    assert inspect.signature(step) == inspect.signature(module.step)
    assert inspect.getsource(step) == inspect.getsource(module.step)
    assert step.__module__ == module.__name__
    with profile(clock) as prof:
        for x in range(3):
            clock.advance(7)
            assert step(x) is module.model
        module.before(1)
    assert (steps(prof.run).count, steps(prof.run).total_ns) == (3, 3330)
    assert stages(prof.run) == times(3)


def test_a_decorator_and_a_function_that_holds_the_loop(load: Any, clock: FakeClock) -> None:
    loop = "    for x in data:\n" + STEP.replace("    ", "        ").replace("return loss", "n = work(3)")
    module = load("@rnnprof.instrument\ndef train(data, epochs=2):\n  for e in range(epochs):\n" + loop)
    with profile(clock) as prof:
        module.train([1, 2, 3])
    assert steps(prof.run).count == 6
    assert stages(prof.run) == times(6, {"get_batch": 0, **STAGES, "work": 3})


def test_methods(load: Any, clock: FakeClock) -> None:
    body = STEP.replace("    ", "        ").replace("model", "self.model")
    module = load(
        "class Trainer:\n    model = model\n"
        "    @rnnprof.instrument\n    def step(self, x):\n"
        + body
        + "    def other(self, x):\n"
        + body
        + "    @rnnprof.instrument\n    @staticmethod\n    def static(x):\n        self = Trainer\n"
        + body
        + "    @staticmethod\n    @rnnprof.instrument\n    def static2(x):\n        self = Trainer\n"
        + body
        + "    @rnnprof.instrument\n    @classmethod\n    def of_class(self, x):\n"
        + body
        + "    def __enter__(self):\n        return super().__init__(), __class__\n"
    )
    trainer = module.Trainer()
    other = rnnprof.instrument(trainer.other)
    assert isinstance(other, types.MethodType)
    assert other.__self__ is trainer
    assert type(vars(module.Trainer)["static"]) is staticmethod
    assert type(vars(module.Trainer)["of_class"]) is classmethod
    with profile(clock) as prof:
        for call in (trainer.step, other, trainer.static, trainer.static2, module.Trainer.of_class):
            assert call(1) is module.model
    assert stages(prof.run) == times(5)


def test_a_function_in_a_function(load: Any, clock: FakeClock) -> None:
    body = STEP.replace("    ", "        ").replace("loss = ", "nonlocal count; count += scale; loss = ")
    module = load(
        "def make(scale, count=0):\n    seen = []\n    @rnnprof.instrument\n    def step(x, *, y=3):\n"
        "        seen.append(y)\n"
        + body.replace("return loss", "return count, seen")
        + "    return step, lambda: (count, seen)\n"
    )
    one, look = module.make(2)
    two, _ = module.make(5)
    with profile(clock) as prof:
        assert [one(1), one(1, y=4), two(1)] == [(2, [3, 4]), (4, [3, 4]), (5, [3])]
        assert look() == (4, [3, 4])
    assert stages(prof.run) == times(3)


def test_a_method_that_asks_for_its_class(load: Any, clock: FakeClock) -> None:
    module = load(
        "class Base:\n    def name(self):\n        return 'base'\n"
        "class Trainer(Base):\n    @rnnprof.instrument\n    def step(self, x):\n"
        "        model(x).backward()\n        optimizer.step()\n"
        "        return super().name(), __class__, self.__hidden\n    __hidden = 3\n"
    )
    with profile(clock) as prof:
        assert module.Trainer().step(1) == ("base", module.Trainer, 3)
    assert stages(prof.run) == times(1, {**STAGES, "name": 0})


def test_recursion_is_one_step(load: Any, clock: FakeClock) -> None:
    module = load("@rnnprof.instrument\ndef step(x):\n    if x:\n        step(x - 1)\n" + STEP)
    with profile(clock) as prof:
        module.step(2)
    assert (steps(prof.run).count, steps(prof.run).total_ns) == (1, 3330)


def test_functions_beside_it_are_timed_with_it_and_are_put_back(load: Any, clock: FakeClock) -> None:
    module = load(
        "def learn(loss):\n    loss.backward()\n    work(5)\n    optimizer.step()\n"
        "class Helper:\n    def run(self, x):\n        out = model(x)\n        learn(out)\n"
        "        return out\n"
        "helper = Helper()\n@rnnprof.instrument\ndef step(x, fail=False):\n    helper.run(x)\n"
        "    1 / (not fail)\n"
    )
    codes = [module.learn.__code__, module.Helper.run.__code__]
    for _ in range(2):
        with profile(clock) as prof:
            module.step(1)
            assert module.learn.__code__ is not codes[0]
            assert module.learn.__code__.co_filename == codes[0].co_filename
        assert stages(prof.run) == times(1, {**STAGES, "work": 5})
        assert [module.learn.__code__, module.Helper.run.__code__] == codes
    with pytest.raises(ZeroDivisionError), profile(clock) as prof:
        module.step(1, True)
    assert [module.learn.__code__, module.Helper.run.__code__] == codes
    assert steps(prof.run).count == 0


def test_twice(load: Any, clock: FakeClock) -> None:
    module = load("def step(x):\n" + STEP)
    once = rnnprof.instrument(module.step)
    twice = rnnprof.instrument(once)
    with profile(clock) as prof:
        once(1)
        twice(1)
    assert stages(prof.run) == times(2)


def test_an_exception_shows_the_users_lines(load: Any, clock: FakeClock) -> None:
    module = load("@rnnprof.instrument\ndef step(x):\n    y = model(\n        1 / x)\n    y.backward()\n")
    with profile(clock) as prof:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError) as caught:
                module.step(0)
            last = traceback.extract_tb(caught.tb)[-1]
            assert (last.name, last.lineno, last.line) == ("step", 15, "1 / x)")
    assert steps(prof.run).count == 0


def test_the_function_has_the_name_of_its_package() -> None:
    rules = importlib.import_module("rnnprof.instrument.rules")
    assert rnnprof.instrument.rules is rules  # type: ignore[attr-defined]
    from rnnprof import instrument

    assert instrument is importlib.import_module("rnnprof.instrument")
    assert importlib.import_module("rnnprof.instrument.wrap").instrument is type(instrument).__call__
