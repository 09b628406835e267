"""The run file: JSON that is written atomically and checked when it is read.

The format and its history are in docs/run-file.md; `run.schema.json` is its JSON Schema;
`runlayout` knows the layout and `runcheck` what is valid.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path

from rnnprof.errors import RunFileError
from rnnprof.model import Run
from rnnprof.runcheck import check
from rnnprof.runlayout import from_json, to_json


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
    try:
        text = path.read_bytes().decode("utf-8")
    except IsADirectoryError:
        raise RunFileError(f"{path} is a folder: give the run file in it") from None
    except OSError as error:
        raise RunFileError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError:
        raise RunFileError(f"{path} is no rnnprof run: it is not text") from None
    if not text.strip():
        raise RunFileError(f"{path} is empty: nothing was saved in it")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = (
            f" at line {error.lineno}, column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise RunFileError(f"{path} is no complete JSON{place}: it was cut short or is no run") from None
    check(data, path)
    return from_json(data)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Args:
        path: the file; a link is followed, a device such as ``/dev/stdout`` is written directly.
        text: its content.

    Raises:
        RunFileError: if it cannot be written; an older file is then as it was.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            if target.is_dir():
                raise RunFileError(f"cannot write {path}: it is a folder")
            with open(target, "w", encoding="utf-8") as file:
                file.write(text)
            return
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(temporary, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunFileError(f"cannot write {path}: {error.strerror or error}") from None
