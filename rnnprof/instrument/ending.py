"""The end of a program: what Python prints and returns, and one last word after everything else."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import os
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from rnnprof.instrument.importer import Finder, is_own

LONGEST = 500
"""Characters of the line that says what went wrong at the end."""

# Python 3.10 has none.
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", None)


class Ending:
    """Calls a function when the program is over, in this process only.

    That is after its atexit functions and its threads, as those end before the first function that
    was registered with atexit, or at `os._exit`.

    Args:
        finish: called once, with ``"finished"``, ``"os._exit"`` or the name of an exception.
        finder: what is removed before that.
    """

    def __init__(self, finish: Callable[[str], None], finder: Finder) -> None:
        self.ended: str | None = None
        """How the program's main part ended; None while it runs."""

        self.interrupted = False
        """Whether the program ends as an uncaught Ctrl-C does: by the signal itself."""

        self._finish: Callable[[str], None] | None = finish
        self._finder = finder
        self._exit = os._exit
        self._leave = self._make_leave()
        self._early = False
        # The module that was `__main__` lives on until everything else has ended.
        self._driver: ModuleType = sys.modules["__main__"]

    def install(self) -> None:
        """Begin to watch for the end."""
        atexit.register(self._at_exit)
        os._exit = self._leave  # type: ignore[assignment]
        self._finder.install()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def settle(self, ended: str, interrupted: bool = False) -> None:
        """Take note of how the program's main part ended."""
        self.ended, self.interrupted = ended, interrupted
        if self._early or atexit._ncallbacks() == 0:
            # The program has emptied the list of atexit functions.
            atexit.register(self._at_exit)

    def _make_leave(self) -> Callable[[int], Any]:
        def _exit(status: int) -> None:
            self._close(self.ended or "os._exit")
            self._exit(status)

        return _exit

    def _at_exit(self) -> None:
        if self.ended is None:
            self._early = True
            return
        self._close(self.ended)
        if self.interrupted and os.name == "posix":
            _die_of_interrupt()

    def _forget(self) -> Callable[[str], None] | None:
        """Undo `install` but for the registrations, which then do nothing."""
        finish, self._finish = self._finish, None
        if finish is not None:
            if os._exit is self._leave:
                os._exit = self._exit
            self._finder.remove()
        return finish

    def _close(self, ended: str) -> None:
        finish = self._forget()
        if finish is None:
            return
        try:
            finish(ended)
        except BaseException as error:
            # The program is over and its exit code stands, whatever happens here.
            words = " ".join(f"{error or type(error).__name__}".split())
            with contextlib.suppress(Exception):
                print(f"rnnprof: error: {words[:LONGEST]}", file=sys.stderr)


def _die_of_interrupt() -> None:
    """Die of SIGINT, so that a shell sees that the program was interrupted."""
    import signal

    flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def flush() -> None:
    """Flush the standard streams as Python does after a script; what fails, fails again later."""
    for name in ("stderr", "stdout"):
        with contextlib.suppress(Exception):
            getattr(sys, name).flush()


def exit_code(error: SystemExit) -> int:
    """Do what Python does with an uncaught SystemExit.

    Args:
        error: the exception; a code that is no number is printed to stderr.

    Returns:
        What to give to `sys.exit`.
    """
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    with contextlib.suppress(Exception):
        sys.stderr.write(str(error.code))
    with contextlib.suppress(Exception):
        sys.stderr.write("\n")
    return 1


def report(error: BaseException) -> int:
    """Do what Python does with an uncaught exception: `sys.last_value` and `sys.excepthook`.

    Args:
        error: the exception. Frames of the machinery vanish from its traceback.

    Returns:
        The exit code: 1 unless the hook raises SystemExit.
    """
    _strip(error)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        _write("sys.excepthook is missing\n")
        _display(error)
        return 1
    # What the hook raises has no context: it is not raised while an exception is being handled.
    second = _call(hook, error)
    if isinstance(second, SystemExit):
        return exit_code(second)
    if second is not None:
        _strip(second)
        _write("Error in sys.excepthook:\n")
        _display(second)
        _write("\nOriginal exception was:\n")
        _display(error)
    return 1


def _call(hook: Callable[..., Any], error: BaseException) -> BaseException | None:
    try:
        hook(type(error), error, error.__traceback__)
    except BaseException as second:
        return second
    return None


def _display(error: BaseException) -> None:
    sys.__excepthook__(type(error), error, error.__traceback__)


def _write(words: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(words)


def _strip(error: BaseException) -> None:
    """Remove the machinery's frames from the traceback of an exception and of all it came from."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = _visible(one.__traceback__)
        todo += [one.__cause__, one.__context__]
        if _GROUP is not None and isinstance(one, _GROUP):
            todo += one.exceptions


def _visible(trace: TracebackType | None) -> TracebackType | None:
    first = trace = _next_visible(trace)
    while trace is not None:
        following = _next_visible(trace.tb_next)
        if following is not trace.tb_next:
            trace.tb_next = following
        trace = following
    return first


def _next_visible(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and is_own(trace.tb_frame.f_code):
        trace = trace.tb_next
    return trace
