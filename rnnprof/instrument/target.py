"""What ``python script.py`` and ``python -m module`` would run, found without running anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnnprof.errors import UsageError


@dataclass(frozen=True)
class Target:
    """What is to be run.

    Attributes:
        path: the absolute path of the script, or of the ``__main__.py`` of a package or folder.
        module: the name given with ``-m``, or None.
        argv: the program's own arguments.
        given: what the command line named: a file or folder, ``-m`` for a module.
        added: folders that the program itself adds to `sys.path`.
    """

    path: Path
    module: str | None
    argv: tuple[str, ...]
    given: str
    added: tuple[str, ...] = ()

    @property
    def is_folder(self) -> bool:
        """Whether a folder with a ``__main__.py`` is run by its path."""
        return self.module is None and os.path.isdir(self.given)

    @property
    def file(self) -> str:
        """The path of the script as Python writes it, in tracebacks and ``__file__``."""
        if self.module is not None:
            return str(self.path)
        path = absolute(self.given)
        return os.path.join(path.rstrip(os.sep), "__main__.py") if self.is_folder else path

    @property
    def import_folder(self) -> str:
        """What Python puts at the front of `sys.path`."""
        if self.module is not None:
            return os.getcwd()
        path = absolute(self.given)
        return path if self.is_folder else os.path.dirname(os.path.realpath(path))

    @property
    def roots(self) -> list[str]:
        """The folders whose modules are the user's own: beside the script, and in ``PYTHONPATH``."""
        given = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isdir(one)]
        if self.module is None:
            return [self.import_folder, *map(os.path.abspath, given), *self.added]
        # A package is run by its __main__.py, which lies one folder deeper than a module would.
        name = self.module.removesuffix(".__main__")
        depth = len(name.split(".")) - (self.path.name != "__main__.py")
        packages = [str(self.path.parents[depth - 1])] if depth else []
        return [os.getcwd(), *packages, *map(os.path.abspath, given), *self.added]


def find_target(script: str | None, module: str | None, argv: Sequence[str]) -> Target:
    """Find what the command line asks to run; nothing of it is imported or compiled.

    Args:
        script: a Python file, or a folder with a ``__main__.py``.
        module: the name of a module or package, instead of a script.
        argv: the program's own arguments.

    Returns:
        What `run_script` takes.

    Raises:
        UsageError: there is no such script or module, or it has no Python source to run.
    """
    if (script is None) == (module is None):
        raise UsageError("give a script or -m MODULE to run, and not both")
    if module is not None:
        return Target(_find_module(module), module, tuple(argv), "-m")
    assert script is not None
    target = Target(Path(absolute(script)), None, tuple(argv), script)
    target = replace(target, path=Path(target.file))
    path = target.path
    if target.is_folder and not path.is_file():
        raise UsageError(f"{script} is a folder without a __main__.py: give a script")
    if not path.exists():
        raise UsageError(f"{script}: there is no such file")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{script}: not allowed to read it")
    if path.is_file():
        with open(path, "rb") as file:
            if file.read(4) == b"PK\x03\x04":
                raise UsageError(f"{script} is a zip file: unpack it and give the script in it")
    return target


def _find_module(module: str) -> Path:
    """The file that ``python -m`` would run; the packages around it are not imported."""
    folders = list(sys.path) if is_safe() else [os.getcwd(), *sys.path[1:]]
    first, *others = module.split(".")
    found = (_look(folders, first) or _ask(first, folders)) if first else None
    for name in others:
        found = _look(found, name) if isinstance(found, list) else None
    if isinstance(found, list):
        found = _look(found, "__main__")
        if not isinstance(found, str):
            raise UsageError(f"-m {module} is a package without a __main__.py: name a module in it")
    if found is None:
        raise UsageError(f"-m {module}: there is no such module of Python source")
    return Path(found)


def _look(folders: Sequence[str], name: str) -> str | list[str] | None:
    """The file of a module, or the folders of a package."""
    parts: list[str] = []
    if not name:
        return None
    for folder in folders:
        path = absolute(os.path.join(folder, name))
        if os.path.isfile(os.path.join(path, "__init__.py")):
            return [path]
        if os.path.isfile(f"{path}.py"):
            return f"{path}.py"
        if os.path.isdir(path):
            parts.append(path)
    return parts or None


def _ask(name: str, folders: Sequence[str]) -> str | list[str] | None:
    """The same by the finders of `sys.meta_path`: what is installed by a link has one of its own."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, folders)
        if spec is not None and spec.submodule_search_locations is not None:
            return list(spec.submodule_search_locations)
        if spec is not None:
            return spec.origin if spec.has_location and str(spec.origin).endswith(".py") else None
    return None


def is_safe() -> bool:
    """Whether Python keeps the script's folder off `sys.path` (``-P``, ``-I``)."""
    return bool(getattr(sys.flags, "safe_path", sys.flags.isolated))


def absolute(path: str) -> str:
    """Make a path absolute as Python does: joined, with its dots left where they are."""
    return os.path.join(os.getcwd(), path)
