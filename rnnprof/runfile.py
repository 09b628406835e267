"""The run file: JSON that is written atomically and checked when it is read.

The format and its history are in docs/run-file.md; `run.schema.json` is its JSON Schema;
`runlayout` knows the layout and `runcheck` what is valid.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from rnnprof.errors import RunFileError, UsageError
from rnnprof.model import Run
from rnnprof.runcheck import check, shown
from rnnprof.runlayout import from_json, to_json

Given = Run | str | os.PathLike[str]
"""A run, or the path of its file."""


def place(path: str | os.PathLike[str]) -> Path:
    """The run file of this process.

    Args:
        path: what the user gave; in a distributed job the rank is added to the name.

    Returns:
        An absolute path: the program may change its folder while it is recorded.

    Raises:
        UsageError: if it is no path.
    """
    try:
        found = Path(os.fsdecode(path)).absolute()
    except TypeError:
        raise UsageError(f"path is the name of the run file, or None, not {path!r}") from None
    rank, size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if rank.isdecimal() and size.isdecimal() and int(size) > 1:
        return found.with_name(f"{found.stem}.rank{rank}{found.suffix}")
    return found


def save(run: Run, path: str | Path) -> None:
    """Save a run, so that at every moment the file is the old run or the new one, whole.

    Args:
        run: the run.
        path: the file to write.

    Raises:
        RunFileError: if it cannot be written; an older file is then as it was.
    """
    write_atomically(Path(path), json.dumps(to_json(run), separators=(",", ":"), allow_nan=False) + "\n")


def load(path: str | Path) -> Run:
    """Load a run and check it.

    Args:
        path: the run file.

    Raises:
        RunFileError: with one line that names the file and the fault.
    """
    path = Path(path)
    name = shown(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except IsADirectoryError:
        raise RunFileError(f"{name} is a folder: give the run file in it") from None
    except OSError as error:
        raise RunFileError(f"cannot read {name}: {shown(error.strerror or error)}") from None
    except UnicodeDecodeError:
        raise RunFileError(f"{name} is no rnnprof run: it is not text") from None
    except ValueError as error:
        # A path that no file can have, such as one with a NUL in it.
        raise RunFileError(f"cannot read {name}: {shown(error)}") from None
    if not text.strip():
        raise RunFileError(f"{name} is empty: nothing was saved in it")
    try:
        data = parsed(text)
    except NotFinite as error:
        raise RunFileError(f"{name} is no valid run: {shown(error)}") from None
    except (ValueError, RecursionError) as error:
        place = (
            f" at line {error.lineno}, column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise RunFileError(f"{name} is no complete JSON{place}: it was cut short or is no run") from None
    check(data, path)
    return from_json(data)


def opened(run: Given) -> Run:
    """A run, or that of a file.

    Args:
        run: the run, or the file's path.

    Raises:
        RunFileError: as `load`.
        UsageError: it is neither.
    """
    if isinstance(run, Run):
        return run
    if not isinstance(run, (str, os.PathLike)):
        raise UsageError(f"give a run, or the path of its file, not {run!r}")
    return load(os.fspath(run))


class NotFinite(ValueError):
    """A number in a file is none that can be counted or timed; its text says so of the file."""


def parsed(text: str) -> Any:
    """Read JSON, of which Python's own reader takes more than there is (RFC 8259, section 6).

    Args:
        text: what a file holds.

    Raises:
        NotFinite: it holds NaN or an infinity, or a number that is too large to be anything else.
        ValueError: it is no JSON.
        RecursionError: it nests too deep.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _finite(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else _refuse(word)


def _refuse(word: str) -> NoReturn:
    raise NotFinite(f"it holds {word}, which is no finite number")


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Args:
        path: the file; a link is followed, a device or pipe such as ``/dev/stdout`` is written
            directly. An older file keeps its permissions.
        text: its content.

    Raises:
        RunFileError: if it cannot be written; an older file is then as it was.
    """
    try:
        mode = _mode(path)
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if mode is not None and not stat.S_ISREG(mode):
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        else:
            _replace(Path(os.path.realpath(path)), text, mode)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise RunFileError(f"cannot write {shown(path)}: {shown(why)}") from None


def _mode(path: Path) -> int | None:
    """What is at the path, or None. Links are not resolved by name, which a pipe does not have."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _replace(target: Path, text: str, mode: int | None) -> None:
    """Write beside the target, then rename over it."""
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "Permission denied")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            if mode is not None:
                # Some file systems have no permissions to keep.
                with contextlib.suppress(OSError):
                    os.chmod(temporary, stat.S_IMODE(mode))
            file.write(text)
        os.replace(temporary, target)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
