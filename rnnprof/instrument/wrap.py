"""`rnnprof.instrument(train_step)`: one function of the user's, rewritten like a script."""

from __future__ import annotations

import ast
import functools
import inspect
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rnnprof.errors import UsageError
from rnnprof.instrument.compiling import Compiling
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.reading.project import Function, Project
from rnnprof.instrument.recording import Recording
from rnnprof.instrument.rewrite import Rewriter, compiled
from rnnprof.instrument.settings import own_rules
from rnnprof.instrument.unsourced import Hooked

Callee = TypeVar("Callee", bound=Callable[..., Any])


def instrument(function: Callee, *, depth: int = 1) -> Callee:
    """Time the stages of a training step, or of a function that holds the training loop.

    Use it as a function, ``train_step = rnnprof.instrument(train_step)``, or as a decorator. What
    it gives does the same as the function and times its statements: a function that holds the loop
    makes every turn a step; of one that holds none every call is a step. It records into the
    profile that is active when it is called, or into one of its own that is saved as ``run.json``
    at exit. The functions beside it that hold stages of the step are timed with it while a profile
    records; afterwards they are as they were.

    Args:
        function: a function, a method, or a function in a function. Where its source cannot be
            read its parts are told by hooks alone, and a warning says so.
        depth: how deep forward and backward open into the model's children.

    Returns:
        A function (for a bound method, a bound method) with the same name and signature.

    Raises:
        UsageError: it is a generator, a coroutine, a class, or no function at all.
    """
    if isinstance(function, types.MethodType):
        made = instrument(function.__func__, depth=depth)
        return types.MethodType(made, function.__self__)  # type: ignore[return-value]
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(instrument(function.__func__, depth=depth))
    _check(function)
    assert isinstance(function, types.FunctionType)
    found = _find(function)
    if found is None:
        warnings.warn(
            f"rnnprof: the source of {_name(function)} cannot be read: each call is a step, "
            "and its stages are told by hooks alone",
            RuntimeWarning,
            stacklevel=2,
        )
        return Hooked(function, depth).wrapped()  # type: ignore[return-value]
    return Instrumented(function, *found, depth).made  # type: ignore[return-value]


def _check(function: Any) -> None:
    what = f"instrument() takes a function or a method, not {_name(function)}"
    if isinstance(function, type):
        raise UsageError(f"{what}, which is a class: give its method that trains")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(f"{what}, which is a coroutine: other tasks run while it waits")
    if inspect.isgeneratorfunction(function):
        raise UsageError(
            f"{what}, which is a generator: its consumer runs between two steps; "
            "give the function that consumes it"
        )
    if not isinstance(function, types.FunctionType):
        hint = ": give its method, such as trainer.step" if callable(function) else ""
        raise UsageError(f"{what}{hint}")


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or f"{type(function).__name__} {function!r}"[:80])


def _find(function: types.FunctionType) -> tuple[Plan, Function] | None:
    """The plan of the file that a function stands in, and the function there."""
    code = function.__code__
    path = Path(code.co_filename)
    if function.__name__ == "<lambda>" or not path.is_file():
        return None
    path = path.resolve()
    project = Project([path.parent])
    source = project.add(path, function.__module__ or path.stem)
    if source is None:
        return None
    for one in source.functions:
        if one.name == code.co_name and _line(one) == code.co_firstlineno:
            plan = Plan(project, own_rules(path.parent))
            if not plan.loops.leads_to_step(one):
                plan.whole_step(one)
            return plan, one
    # The file was changed after it was imported.
    return None


def _line(function: Function) -> int:
    """The line at which a function's code begins: that of its first decorator."""
    if isinstance(function.node, ast.Module):
        return 0
    return min([function.node.lineno, *(one.lineno for one in function.node.decorator_list)])


class Instrumented:
    """A function with marks, and the functions beside it that share its step.

    Args:
        function: the user's function.
        plan: of the file that it stands in.
        planned: the function in the plan.
        depth: how deep forward and backward open into the model's children.
    """

    def __init__(self, function: types.FunctionType, plan: Plan, planned: Function, depth: int) -> None:
        self._recording = Recording(depth, self._opened, self._closed)
        self._codes: dict[tuple[str, str, int], types.CodeType] = {}
        self._swapped: list[tuple[types.FunctionType, types.CodeType]] = []
        self._pristine: dict[types.CodeType, types.CodeType] = {}
        self._compiling = Compiling(self._pristine)
        self._plan = plan
        self._function = function
        plan.entries[id(planned.node)] = self.enter
        for source in {one.source.path: one.source for one in plan.functions.values()}.values():
            self._collect(
                compiled(Rewriter(plan, source, self._recording.watch), str(source.path)), str(source.path)
            )
        code = self._codes[_key(function.__code__, str(planned.source.path))]
        # The file's real path may differ from the name that tracebacks have shown so far.
        code = code.replace(co_filename=function.__code__.co_filename)
        self._pristine[code] = function.__code__
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        closure = tuple(cells[name] for name in code.co_freevars) or None
        made = types.FunctionType(
            code, function.__globals__, function.__name__, function.__defaults__, closure
        )
        functools.update_wrapper(made, function)
        made.__kwdefaults__ = function.__kwdefaults__
        self.made = made

    def enter(self) -> None:
        """Called at the begin of each call."""
        self._recording.enter()

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()

    def _opened(self) -> None:
        self._swap()
        self._compiling.open()

    def _closed(self) -> None:
        self._compiling.close()
        for function, code in self._swapped:
            function.__code__ = code
        self._swapped = []

    def _collect(self, code: types.CodeType, path: str) -> None:
        self._codes.setdefault(_key(code, path), code)
        for one in code.co_consts:
            if isinstance(one, types.CodeType):
                self._collect(one, path)

    def _swap(self) -> None:
        """Put the marks into the functions that the step calls."""
        names = {one.name for one in self._plan.functions.values()}
        for function in _reachable(self._function):
            if function is self._function or function is self.made or function.__name__ not in names:
                continue
            code = function.__code__
            new = self._codes.get(_key(code, str(Path(code.co_filename).resolve())))
            # What was compiled before is known to Dynamo by its code.
            compiled = hasattr(function, "_torchdynamo_orig_callable")
            if (
                new is not None
                and not compiled
                and new.co_freevars == code.co_freevars
                and new.co_code != code.co_code
            ):
                self._swapped.append((function, code))
                put = new.replace(co_filename=code.co_filename)
                self._pristine[put] = code
                function.__code__ = put


def _nothing() -> Callable[[], None]:
    return lambda: None


def _key(code: types.CodeType, path: str) -> tuple[str, str, int]:
    return str(Path(path).resolve()), code.co_name, code.co_firstlineno


def _reachable(function: types.FunctionType) -> list[types.FunctionType]:
    """The functions and methods that stand in the modules that a function can see."""
    found: dict[int, types.FunctionType] = {}
    modules = [function.__globals__]
    modules += [vars(one) for one in function.__globals__.values() if isinstance(one, types.ModuleType)]
    for names in modules:
        for thing in list(names.values()):
            inner = list(vars(thing).values()) if isinstance(thing, type) else [thing]
            for one in inner:
                one = getattr(one, "__func__", one)
                if isinstance(one, types.FunctionType):
                    found[id(one)] = one
    return list(found.values())
