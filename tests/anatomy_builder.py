"""What a run keeps of how a step is built, and of the process around it, made arbitrarily for tests."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from rnnprof.anatomy import Anatomy, Denormals, Padding
from rnnprof.network import Graph, Line, Recurrent
from rnnprof.vitals import MemoryCourse, Pauses, Vitals

HOME = "/home/user/word_language_model"
NAMES = (
    "lstm",
    "cpu",
    "float32",
    "hidden",
    "self.h",
    "Tensor.add_",
    "[red]x[/]",
    "\x1b[2J",
    "=1+1",
    "",
    "训练",
)
COUNT = st.integers(0, 10**6) | st.integers(0, 3) | st.just(2**63 - 1)
SMALL = st.integers(0, 10**6)


def line_of(line: int, source: str = "loss.backward()", **changed: Any) -> Line:
    """A line of the program's main file."""
    given: dict[str, Any] = {"file": f"{HOME}/main.py", "line": line, "function": "train", "source": source}
    return Line(**(given | changed))


def _any(hint: Any) -> st.SearchStrategy[Any]:
    """Anything of a type, as the types of the fields say."""
    kinds = get_args(hint)
    if NoneType in kinds:
        return st.none() | _any(next(kind for kind in kinds if kind is not NoneType))
    if get_origin(hint) is tuple:
        if kinds[-1] is ...:
            return st.lists(_any(kinds[0]), max_size=2).map(tuple)
        return st.tuples(*map(_any, kinds))
    if hint in SPECIAL:
        return SPECIAL[hint]
    if is_dataclass(hint):
        return parts(hint)
    return {int: COUNT, str: st.sampled_from(NAMES), bool: st.booleans()}[hint]


def parts(kind: Any, /, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An arbitrary one of a class, but for some of its fields."""
    fields = {key: _any(hint) for key, hint in get_type_hints(kind).items() if key not in given}
    return st.builds(kind, **fields, **given)


def _course(place: str, points: list[tuple[int, int]]) -> MemoryCourse:
    steps = sorted({step for step, _ in points})
    return MemoryCourse(place, tuple(steps), tuple(size for _, size in points[: len(steps)]))


SPECIAL: dict[Any, st.SearchStrategy[Any]] = {}
"""Types whose fields depend on each other."""
SPECIAL[Graph] = parts(Graph, previous=SMALL, earlier=SMALL).map(
    lambda one: replace(one, nodes=one.nodes + one.previous + one.earlier if one.nodes < 2**62 else one.nodes)
)
SPECIAL[Recurrent] = parts(Recurrent, directions=st.integers(1, 2))
SPECIAL[Padding] = parts(Padding, padding=SMALL).map(lambda one: replace(one, total=one.padding + 1))
SPECIAL[Denormals] = parts(Denormals, denormal=SMALL).map(lambda one: replace(one, total=one.denormal))
PAUSES = st.dictionaries(st.integers(0, 2), st.tuples(SMALL, SMALL), max_size=3).map(
    lambda found: tuple(
        Pauses(generation, count, total * bool(count), total // max(count, 1))
        if count
        else Pauses(generation, 0, 0, 0)
        for generation, (count, total) in found.items()
    )
)
MEMORY = st.dictionaries(
    st.sampled_from(("resident", "cuda:0", "\x1b[2J")),
    st.lists(st.tuples(COUNT, COUNT), max_size=5),
    max_size=3,
).map(lambda found: tuple(_course(place, points) for place, points in found.items()))

ANATOMIES: st.SearchStrategy[Anatomy] = parts(Anatomy)
"""An arbitrary anatomy."""
VITALS: st.SearchStrategy[Vitals] = parts(Vitals, pauses=st.none() | PAUSES, memory=MEMORY)
"""Arbitrary vitals."""
