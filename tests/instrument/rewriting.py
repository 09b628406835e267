"""Run a program as it is and with marks in it, and tell everything that it did."""

from __future__ import annotations

import dis
import re
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rnnprof.instrument import runtime
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.reading.project import Project
from rnnprof.instrument.rewrite import Rewriter, compiled
from rnnprof.model import Run
from rnnprof.testing import FakeClock
from tests.recorder.helpers import profile

FILE = Path("/nowhere/main.py")
MOST = 400
"""Things that a program may do before it is stopped."""


def programs(path: Path) -> dict[str, str]:
    """The programs of a file: their text by their headings, lines that begin with ``===``."""
    parts = re.split(r"^=== (.*)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(set(parts[::2])) == len(parts[::2])
    return dict(zip(parts[::2], parts[1::2], strict=True))


class Stop(Exception):
    """A program has done enough."""


class Thing:
    """Writes down whatever is done with it; every result is a thing again.

    Args:
        name: what it is called in the log.
        log: where that is written.
    """

    def __init__(self, name: str, log: list[str]) -> None:
        self.__dict__.update(name=name, log=log)

    def _note(self, words: str) -> Thing:
        if len(self.log) >= MOST:
            raise Stop
        self.log.append(words)
        return Thing(f"#{len(self.log)}", self.log)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        words = ", ".join([*map(str, args), *(f"{key}={value}" for key, value in kwargs.items())])
        found = self._note(f"{self.name}({words})")
        if self.name == "boom":
            raise ValueError(str(found))
        for one in (*args, *kwargs.values()):
            if isinstance(one, types.FunctionType):
                one()
        return found

    def __getattr__(self, name: str) -> Thing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Thing(f"{self.name}.{name}", self.log)

    def __setattr__(self, name: str, value: Any) -> None:
        self._note(f"{self.name}.{name} = {value}")

    def __getitem__(self, key: Any) -> Thing:
        return self._note(f"{self.name}[{key}]")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._note(f"{self.name}[{key}] = {value}")

    def __bool__(self) -> bool:
        self._note(f"bool {self.name}")
        return len(self.log) % 3 > 0

    def __iter__(self) -> Iterator[Thing]:
        self._note(f"iter {self.name}")
        for number in range(2):
            yield self._note(f"{self.name} gives {number}")

    def __enter__(self) -> Thing:
        return self._note(f"enter {self.name}")

    def __exit__(self, kind: Any, value: Any, trace: Any) -> bool:
        self._note(f"exit {self.name} {kind}")
        return self.name == "catch"

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__

    def __format__(self, words: str) -> str:
        self._note(f"format {self.name} {words!r}")
        return self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> Any:
        return self._note(f"{self.name} == {other}")


def _operator(name: str) -> Callable[[Thing, Any], Thing]:
    return lambda self, other: self._note(f"{self.name} {name} {other}")


for _name in ("add", "radd", "sub", "rsub", "mul", "truediv", "pow", "matmul", "iadd", "isub", "lt", "gt"):
    setattr(Thing, f"__{_name}__", _operator(_name))
Thing.__neg__ = lambda self: self._note(f"-{self.name}")  # type: ignore[attr-defined]


class Names(dict[str, Any]):
    """A program's global names: what it never bound is a thing."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(__name__="__main__", log=log)
        for name in ("model", "criterion", "optimizer", "loader", "f", "g", "x", "y", "boom", "catch"):
            self[name] = Thing(name, log)


class Done(NamedTuple):
    """What a program did: its log, the names that it left, and how it ended."""

    log: list[str]
    names: list[tuple[str, str]]
    ended: list[str]


def plain(text: str) -> types.CodeType:
    """The program's code as Python makes it."""
    return compile(text, str(FILE), "exec", dont_inherit=True)


def plan_of(text: str) -> Plan:
    """The plan of a program of one file."""
    project = Project([])
    assert project.add(FILE, "__main__", text.encode()) is not None
    return Plan(project)


def marked(text: str, plan: Plan | None = None) -> types.CodeType:
    """The program's code with marks."""
    plan = plan or plan_of(text)
    return compiled(Rewriter(plan, plan.project.sources[FILE], lambda model: None), str(FILE))


def run(code: types.CodeType) -> Done:
    """Run a program's code."""
    log: list[str] = []
    names = Names(log)
    ended = []
    try:
        exec(code, names)
    except BaseException as error:
        ended = _ended(error)
    names.pop("__builtins__")
    kept = [(key, _still(str(value))) for key, value in names.items() if key != "log"]
    return Done([_still(words) for words in log], kept, ended)


def _still(words: str) -> str:
    return re.sub(" at 0x[0-9a-f]+", "", words)


def _ended(error: BaseException | None) -> list[str]:
    """The exceptions from the last to the first, with the line and function of each frame."""
    found = []
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{frame.lineno} {frame.name}" for frame in frames if frame.filename == str(FILE)]
        found.append(f"{type(error).__name__} {error}: {', '.join(places)}")
        error = error.__context__
    return found


def measured(code: types.CodeType) -> tuple[Done, Run]:
    """Run a program's code under a profile with a clock that stands still."""
    with profile(FakeClock()) as prof:
        done = run(code)
    return done, prof.run


def same(text: str, dead: bool = False) -> Done:
    """Assert that a program does the same with marks, under a profile and without; what it did.

    Args:
        text: the program.
        dead: whether it may hold code that nothing can reach, which Python leaves out or not.
    """
    code, before = marked(text), plain(text)
    look_alike(before, code, dead)
    done = run(before)
    assert run(code) == done
    assert measured(code)[0] == done
    assert runtime.failures == []
    return done


def look_alike(one: types.CodeType, two: types.CodeType, dead: bool = False) -> None:
    """Assert that a code with marks has the names, lines and signature of the plain one."""
    for name in (
        *("co_name", "co_filename", "co_firstlineno", "co_argcount", "co_posonlyargcount", "co_flags"),
        *("co_kwonlyargcount", "co_varnames", "co_names", "co_freevars", "co_cellvars"),
    ):
        assert getattr(one, name) == getattr(two, name), (one.co_name, name)
    assert dead or _lines(one) == _lines(two)
    inner = [[code for code in each.co_consts if isinstance(code, types.CodeType)] for each in (one, two)]
    if dead and len(inner[0]) != len(inner[1]):
        return
    for pair in zip(*inner, strict=True):
        look_alike(*pair, dead)


def _lines(code: types.CodeType) -> set[int]:
    return {line for _, line in dis.findlinestarts(code) if line is not None}


class CountingClock(FakeClock):
    """A clock that is told to advance, and counts how often it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def now(self) -> int:
        """The reading, in nanoseconds."""
        self.reads += 1
        return super().now()


def timed(text: str, **names: Any) -> tuple[Run, CountingClock]:
    """Run a program with marks in which ``work(ns)`` takes so long, and gives what it is given."""
    clock = CountingClock()

    def work(ns: int, value: Any = None) -> Any:
        clock.advance(ns)
        return value

    with profile(clock) as prof:
        exec(marked(text), {"__name__": "__main__", "work": work, "clock": clock, **names})
    assert runtime.failures == []
    return prof.run, clock
