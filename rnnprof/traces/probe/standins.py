"""Functions around torch's own for one step, to see which of them are called, and with what.

Nothing else differs with them: tensors of other classes and modes of ``__torch_function__`` get
the original functions, and all attributes are as before when it is over.
"""

from __future__ import annotations

import functools
import sys
from _thread import get_ident
from collections.abc import Callable
from types import FrameType, FunctionType, MethodType
from typing import Any

from rnnprof.traces.probe.caches import Caches
from rnnprof.traces.probe.compilers import before_compiling
from rnnprof.traces.probe.glances import ABSENT, Glanced, glance, put_back
from rnnprof.traces.probe.quietly import by_signal

Before = Callable[[tuple[Any, ...], dict[str, Any], FrameType], None]
"""Told of a call that is about to be made: its arguments, and the frame that makes it."""
After = Callable[[tuple[Any, ...], dict[str, Any], Any, FrameType], None]
"""Told of a call that has returned: its arguments, its result, and the frame that made it."""


class StandIn:
    """A function around one of torch's: equal to it, pickled as it, and described as it is.

    Args:
        owner: where it is put.
        name: under which attribute.
        overridden: whether some of these arguments, or a mode, have a ``__torch_function__``.
    """

    def __init__(self, owner: Any, name: str, overridden: Callable[[tuple[Any, ...]], bool]) -> None:
        original = getattr(owner, name)
        functools.update_wrapper(self, original)
        self.__module__ = getattr(original, "__module__", None)  # type: ignore[assignment]
        # Dynamo follows it to the original.
        self._torchdynamo_inline = original
        self.running = True
        """Whether it is to be there."""

        self._owner, self._name, self._overridden = owner, name, overridden
        self._original, self._before = original, vars(owner).get(name, ABSENT)

    def put(self) -> bool:
        """Put it there; False for a class written in C, which cannot be changed."""
        try:
            setattr(self._owner, self._name, self)
        except TypeError:
            self.running = False
        return self.running

    def remove(self) -> None:
        """Put back what was there, unless the program has replaced it since."""
        self.running = False
        there = vars(self._owner).get(self._name, ABSENT)
        if there is self:
            put_back(self._owner, self._name, self._before)
        while isinstance(there, StandIn):
            # Another one has been put around this one.
            if there._before is self:
                there._before, there._original = self._before, self._original
                there._torchdynamo_inline = self._original
            there = there._before

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __eq__(self, other: object) -> bool:
        return bool(self._original == (other._original if isinstance(other, StandIn) else other))

    def __hash__(self) -> int:
        return hash(self._original)

    def __repr__(self) -> str:
        return repr(self._original)

    def __reduce__(self) -> Any:
        original = self._original
        return original.__qualname__ if isinstance(original, FunctionType) else original.__reduce__()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original."""
        __tracebackhide__ = True
        return self._run(args, kwargs)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        original, owner, name = self._original, self._owner, self._name
        if not self._overridden((*args, *kwargs.values())):
            return original(*args, **kwargs)
        # A `__torch_function__` is given what torch has by this name: the original.
        if vars(owner).get(name, ABSENT) is not self:
            return original(*args, **kwargs)
        put_back(owner, name, self._before)
        try:
            return original(*args, **kwargs)
        finally:
            if self.running and vars(owner).get(name, ABSENT) is self._before:
                setattr(owner, name, self)


class _Watching(StandIn):
    """A stand-in that tells of each call."""

    def __init__(
        self, owner: Any, name: str, around: StandIns, before: Before | None, after: After | None
    ) -> None:
        super().__init__(owner, name, around.overridden)
        self._around, self._told, self._tell = around, before, after

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if self._told is not None:
            self._around.tell(self._told, args, kwargs, sys._getframe(1))
        result = self._run(args, kwargs)
        if self._tell is not None:
            self._around.tell(self._tell, args, kwargs, result, sys._getframe(1))
        return result


class StandIns:
    """All of them for one step. One thread is watched: the one that makes this.

    What is told of a call must not change its arguments or its result, nor keep them. If it raises,
    that is kept in `errors`, and nothing is told it again. It is run without ``__torch_function__``.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        self.compiled = False
        """Whether they have gone because the program compiled something."""

        self.errors: dict[Callable[..., None], Exception] = {}
        """What was told of a call and raised."""

        self.overridden = torch._C._has_torch_function
        """Whether some of these arguments, or a mode, have a ``__torch_function__``."""

        self._unseen = torch._C.DisableTorchFunction
        self._thread, self._telling = get_ident(), False
        self._undo: list[Callable[[], None]] = []
        self._glances: dict[tuple[Any, str], list[Glanced]] = {}
        self._caches = Caches(torch)
        self._caches.note()
        self._undo += before_compiling(self._compiles)

    def around(self, owner: Any, name: str, before: Before | None = None, after: After | None = None) -> None:
        """Put a function around one of torch's. Where there is none by that name, nothing is done.

        Args:
            owner: a class or module.
            name: the function's name in it.
            before: told of each call before it is made.
            after: told of each call that has returned.
        """
        if not self.compiled and hasattr(owner, name):
            one = _Watching(owner, name, self, before, after)
            if one.put():
                self._undo.append(one.remove)

    def glance(self, owner: Any, name: str, glanced: Glanced) -> None:
        """Be told whenever an attribute is looked up, which a function's caller does just before the call.

        The caller's frame has the arguments, if it is torch's own code, which is known. Its locals
        are to be read with `variables`.

        Args:
            owner: a class, or a module such as ``torch._C._nn``.
            name: the attribute. Where there is none, nothing is done.
            glanced: told of each look-up.
        """
        if not self.compiled and hasattr(owner, name):
            told = self._glances.get((owner, name))
            if told is None:
                told = []
                self._undo.append(glance(owner, name, self._tell_all(told)))
                self._glances[owner, name] = told
            told.append(glanced)

    def stop(self) -> None:
        """Put everything back but what the program has replaced since; a second call does nothing."""
        self._thread = 0
        while self._undo:
            self._undo.pop()()
        self._glances.clear()
        self._caches.clear()

    def tell(self, told: Callable[..., None], *what: Any) -> None:
        """Tell of a call, or of a look-up."""
        if self._thread != get_ident() or self._telling:
            return
        self._telling = True
        try:
            # Nor does a mode of the program's see what is asked for.
            with self._unseen():
                self.guarded(told, *what)
        finally:
            self._telling = False

    def _tell_all(self, told: list[Glanced]) -> Glanced:
        def glanced(instance: Any, frame: FrameType) -> None:
            for one in told:
                self.tell(one, instance, frame)

        return glanced

    def guarded(self, told: Callable[..., None], *what: Any) -> None:
        """Tell of something else that was seen in such a call."""
        if told in self.errors:
            return
        try:
            told(*what)
        except Exception as error:
            if by_signal(error):
                raise
            # Frames, and the tensors in them, hang on all three.
            error.__cause__ = error.__context__ = None
            self.errors[told] = error.with_traceback(None)

    def _compiles(self) -> None:
        if self._undo:
            self.stop()
            self.compiled = True
