"""The user's own modules, compiled by somebody else on their way through `import`."""

from __future__ import annotations

import builtins
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar, cast

PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__))
INSTALLED = ("site-packages", "dist-packages")

Compile = Callable[[str, bytes], "CodeType | None"]
"""From a file's name and bytes to its code; None: compile it as usual."""

F = TypeVar("F", bound=Callable[..., Any])


def _machinery(function: F) -> F:
    """Make Python leave this function out of the tracebacks of imports, as it does its own."""
    plain = cast(FunctionType, function)
    plain.__code__ = plain.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")
    return function


class Rewriter:
    """Compiles the files that are the user's own; what goes wrong is remembered and breaks nothing.

    Args:
        compile: makes the code of one file, or None.
        target: the file that the program begins with; always the user's own.
        roots: folders whose files are the user's own.
        failures: what went wrong, one line for each file.
    """

    def __init__(self, compile: Compile, target: str, roots: Sequence[str], failures: list[str]) -> None:
        self._compile = compile
        self._target = os.path.realpath(target)
        self._roots = [os.path.realpath(root) for root in roots]
        self._failures = failures
        self._folders: dict[str, bool] = {}
        self._prepared: dict[str, CodeType | None] = {}

    def owns(self, path: str) -> bool:
        """Whether a source file is the user's own: not installed, and not the standard library's."""
        real = os.path.realpath(path)
        folder = os.path.dirname(real)
        if folder not in self._folders:
            self._folders[folder] = any(_beside(folder, root) for root in self._roots)
        return self._folders[folder] or real == self._target

    def code(self, path: str, source: bytes) -> CodeType | None:
        """The rewritten code of a file that Python can compile; None if it is to stay as it is."""
        if path in self._prepared:
            return self._prepared.pop(path)
        try:
            with quiet(path):
                return self._compile(path, source)
        except Exception as error:
            words = " ".join(str(error).split())
            self._failures.append(f"{path}: {type(error).__name__}: {words}")
            return None

    def prepare(self, path: str, source: bytes) -> None:
        """Make the code of a file ahead of its import."""
        if is_valid(path, source):
            self._prepared[path] = self.code(path, source)


def _beside(folder: str, root: str) -> bool:
    """Whether a folder is the root or below it, with nothing foreign between the two."""
    if not _inside(folder, root):
        return False
    if any(_inside(folder, alien) and not _inside(root, alien) for alien in (PACKAGE, STANDARD_LIBRARY)):
        return False
    while folder != root:
        if os.path.basename(folder) in INSTALLED or os.path.exists(os.path.join(folder, "pyvenv.cfg")):
            return False
        folder = os.path.dirname(folder)
    return True


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def is_valid(path: str, source: bytes) -> bool:
    """Whether Python can compile a file; nothing is printed."""
    try:
        with quiet(path):
            builtins.compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
        return False
    return True


@contextmanager
def quiet(path: str) -> Iterator[None]:
    """Drop the warnings that compiling a file gives: they were given when it was compiled as it is.

    `warnings.catch_warnings` would not do: it makes Python forget which warnings the program has
    seen already.
    """
    filters = cast("list[Any]", warnings.filters)
    module = path[:-3] if path.endswith(".py") else path
    entry = ("ignore", None, Warning, module, 0)
    filters.insert(0, entry)
    try:
        yield
    finally:
        with suppress(ValueError):
            filters.remove(entry)


class Loader(SourceFileLoader):
    """Loads a source file as Python does, and then runs its rewritten code instead.

    The plain code is compiled, or read from ``__pycache__``, and cached there as ever: so errors,
    warnings and the files on disk are those of a plain import.
    """

    def __init__(self, fullname: str, path: str, rewriter: Rewriter) -> None:
        super().__init__(fullname, path)
        self._rewriter = rewriter

    @_machinery
    def get_code(self, fullname: str) -> CodeType | None:
        """The code that the module runs."""
        plain = super().get_code(fullname)
        path = self.get_filename(fullname)
        return self._rewriter.code(path, self.get_data(path)) or plain

    def __reduce__(self) -> tuple[Any, ...]:
        return SourceFileLoader, (self.name, self.path)


# It is printed with every module's spec.
Loader.__module__, Loader.__qualname__ = SourceFileLoader.__module__, SourceFileLoader.__qualname__


class _OnPath:
    """Something that stands on `sys.meta_path` for a while."""

    def remove(self) -> None:
        """Undo `install`; a second call does nothing."""
        finders = cast("list[Any]", sys.meta_path)
        if self in finders:
            finders.remove(self)


class Finder(_OnPath):
    """Stands on `sys.meta_path` before what finds files, and puts `Loader` into what they find."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._others: list[Any] = []

    def install(self) -> None:
        """Begin to take part in imports."""
        path = sys.meta_path
        place = path.index(PathFinder) if PathFinder in path else len(path)
        self._others = path[place:]
        path.insert(place, self)

    @_machinery
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module as the finders behind this one do."""
        for finder in self._others:
            if finder not in sys.meta_path or not hasattr(finder, "find_spec"):
                continue
            spec: ModuleSpec | None = finder.find_spec(fullname, path, target)
            if spec is not None:
                loader = spec.loader
                # A loader of another type is somebody's own, who must not be pushed aside.
                if type(loader) is SourceFileLoader and self._rewriter.owns(loader.path):
                    spec.loader = Loader(loader.name, loader.path, self._rewriter)
                return spec
        return None


class AfterImport(_OnPath):
    """Has something done right after a module of the top level has been imported for the first time.

    Args:
        name: the module.
        then: called without arguments; what it raises is dropped.
    """

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then = then
        self._looking = False

    def install(self) -> None:
        """Begin to wait for the module."""
        sys.meta_path.insert(0, self)

    @_machinery
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as the other finders do, and have its loader tell when it is done."""
        if fullname != self._name or self._looking:
            return None
        self._looking = True
        try:
            spec = find_spec(fullname)
        finally:
            self._looking = False
        loader: Any = spec.loader if spec is not None else None
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return spec

        @_machinery
        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            execute(module)
            self.remove()
            with suppress(Exception):
                self._then()

        # On this one object, which no other module shares, and only until it has done its work.
        with suppress(AttributeError):
            loader.exec_module = exec_module
        return spec


def is_own(code: CodeType) -> bool:
    """Whether code is part of the machinery that runs scripts, which tracebacks leave out."""
    return code.co_filename.startswith((_HERE, _PROBE)) or code in _DISGUISED


_HERE = os.path.join(os.path.dirname(Finder.install.__code__.co_filename), "")
_PROBE = os.path.join(os.path.dirname(_HERE[: -len(os.sep)]), "traces", "probe", "")
_DISGUISED = (Loader.get_code.__code__, Finder.find_spec.__code__, AfterImport.find_spec.__code__)
