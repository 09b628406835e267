"""Marks as decorators: of functions, and of generators while they run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from rnnprof.errors import UsageError


def decorate(opened: Callable[[], Any], what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that each call runs inside a context manager.

    Args:
        opened: makes the context manager for one call.
        what: how the decorator was written, for error messages.
        function: a plain function, or a generator function: then each resumption is timed, and
            not the time that its consumer spends between two of them.

    Raises:
        UsageError: for a coroutine function or something that is not callable.
    """
    if not callable(function):
        raise UsageError(f"{what} decorates functions, not {type(function).__name__}")
    if inspect.isclass(function):
        raise UsageError(f"{what} decorates functions, not the class {_named(function)}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"{what} cannot decorate the coroutine {_named(function)}: other tasks run while "
            "it waits; put `with` around the parts that do not await"
        )
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def resumed(*args: Any, **kwargs: Any) -> Any:
            return (yield from _Timed(opened, function(*args, **kwargs)))

        return resumed

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with opened():
            return function(*args, **kwargs)

    return wrapped


def _named(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or repr(function))


class _Timed:
    """A generator of which every resumption is timed."""

    def __init__(self, opened: Callable[[], Any], inner: Any) -> None:
        self.opened = opened
        self.inner = inner

    def __iter__(self) -> _Timed:
        return self

    def __next__(self) -> Any:
        with self.opened():
            return next(self.inner)

    def send(self, value: Any) -> Any:
        with self.opened():
            return self.inner.send(value)

    def throw(self, *error: Any) -> Any:
        with self.opened():
            return self.inner.throw(*error)

    def close(self) -> None:
        with self.opened():
            self.inner.close()
