"""Run a user's script exactly as Python itself would, with its code compiled by somebody else."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, FrozenImporter, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, NoReturn

from rnnprof import active
from rnnprof.errors import EnoughSteps
from rnnprof.instrument.ending import Ending, exit_code, flush, report
from rnnprof.instrument.importer import Compile, Finder, Rewriter, is_valid
from rnnprof.instrument.target import Target, find_target, is_safe

__all__ = ["Compile", "Target", "find_target", "run_script"]


def run_script(
    target: Target,
    compile: Compile,
    begin: Callable[[], None],
    finish: Callable[[str], None],
    failures: list[str] | None = None,
) -> int:
    """Run a script as ``__main__``, in this process and for the rest of its life.

    Args:
        target: what to run.
        compile: called with the name and the bytes of every source file of the user's own, the
            script's first and before `begin`; gives its code, or None to run it as it is. If it
            raises, the file is run as it is.
        begin: called right before the first line of the script runs; may raise.
        finish: called once when the program is over, after its atexit functions and threads, with
            ``"finished"``, ``"os._exit"`` or the name of the exception that ended it. Not called
            in forked or spawned children. What it raises is printed as one line.
        failures: takes a line for each file that `compile` raised for.

    Returns:
        The exit code, for `sys.exit`. After an uncaught KeyboardInterrupt the process dies of
        SIGINT where `sys.exit` would have ended it.

    Raises:
        OSError: the script cannot be read.
        Exception: what `begin` raises; then nothing has been changed.
    """
    rewriter = Rewriter(compile, target.file, target.roots, [] if failures is None else failures)
    source = target.path.read_bytes()
    as_module = target.module is not None or target.is_folder
    code = None
    if as_module:
        rewriter.prepare(target.file, source)
    else:
        code = _compile_as_python(target, source, rewriter)
    begin()
    ending = Ending(finish, Finder(rewriter))
    ending.install()
    main = sys.modules["__main__"] = _fresh_main()
    sys.argv = [target.given, *target.argv]
    _enter(target)
    # What ended the script is no local variable here: its frames lead to this one, and the circle
    # would keep the script's objects alive for too long.
    if code is None:
        return _conclude(ending, _module_ends(target))
    return _conclude(ending, _file_ends(target, code, main), vars(main))


def _conclude(ending: Ending, error: BaseException | None, names: dict[str, Any] | None = None) -> int:
    """Say what Python says at the end of a program and return its exit code."""
    if isinstance(error, SystemExit):
        status = exit_code(error)
        by_itself = status == 0 and not isinstance(error, EnoughSteps)
        ending.settle("finished" if by_itself else type(error).__name__)
        return status
    recording = active.current()
    if recording is not None:
        recording.failed(error)
    status = 0 if error is None else report(error)
    ending.settle("finished" if error is None else type(error).__name__, type(error) is KeyboardInterrupt)
    # Python takes these from a script at its end, before the functions of atexit run.
    for name in ("__file__", "__cached__"):
        if names is not None:
            names.pop(name, None)
    return status


def _compile_as_python(target: Target, source: bytes, rewriter: Rewriter) -> CodeType:
    """The script's code, with the warnings of Python's own compiler."""
    path = target.file
    if not is_valid(path, source):
        _hand_over(target)
    try:
        plain = builtins.compile(source, path, "exec", dont_inherit=True)
    except SyntaxError:
        # A warning that `-W error` makes an error.
        _hand_over(target)
    return rewriter.code(path, source) or plain


def _hand_over(target: Target) -> NoReturn:
    """Let Python itself run a script that does not compile, and say so in its own words."""
    import subprocess

    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    flush()
    os.execv(sys.executable, [sys.executable, *flags, target.given, *target.argv])


def _file_ends(target: Target, code: CodeType, main: ModuleType) -> BaseException | None:
    """Run a script; return what ended it, None at its last line."""
    path = target.file
    vars(main).update(__loader__=SourceFileLoader("__main__", path), __file__=path)
    if sys.version_info < (3, 15):
        vars(main)["__cached__"] = None
    try:
        exec(code, vars(main))
    except BaseException as error:
        return error
    finally:
        flush()
    return None


def _module_ends(target: Target) -> BaseException | None:
    """Run a module or a folder by the function that ``python -m`` runs it by; return what ended it."""
    import runpy

    run: Callable[..., Any] = runpy._run_module_as_main  # type: ignore[attr-defined]
    try:
        if target.module is None:
            run("__main__", False)
        else:
            run(target.module)
    except BaseException as error:
        return error
    return None


def _fresh_main() -> ModuleType:
    """A module `__main__` with the names that Python gives it at its start, in their order."""
    main = ModuleType("__main__")
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    vars(main).update(__builtins__=builtins, __loader__=BuiltinImporter)
    return main


def _enter(target: Target) -> None:
    """Make `sys.path` and `sys.modules` what they would be without rnnprof."""
    folder = target.import_folder
    if is_safe() and not target.is_folder:
        return
    # The first entry is the one that Python made for rnnprof's own command.
    sys.path[: 0 if is_safe() else 1] = [folder]
    loaded = list(sys.modules)
    for name in loaded[loaded.index("rnnprof") :]:
        if _is_covered(name.partition(".")[0], folder):
            del sys.modules[name]


def _is_covered(name: str, folder: str) -> bool:
    """Whether a loaded module hides one of the user's that has its name and comes first."""
    files = [os.path.join(folder, f"{name}.py"), os.path.join(folder, name, "__init__.py")]
    if name == "rnnprof" or not any(map(os.path.isfile, files)):
        return False
    if BuiltinImporter.find_spec(name) is not None or FrozenImporter.find_spec(name) is not None:
        return False
    return getattr(sys.modules.get(name), "__file__", None) not in files
