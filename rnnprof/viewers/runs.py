"""Which runs lie under a folder; what lies elsewhere is never opened."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rnnprof import runfile
from rnnprof.errors import RunFileError
from rnnprof.model import Run
from rnnprof.runcheck import shown
from rnnprof.runlayout import FORMAT
from rnnprof.units import count

MOST_FILES = 20_000
"""Files and folders that are looked at."""
MOST_RUNS = 200
"""Runs that are read."""
DEEPEST = 12
"""Levels of folders."""
MOST_BYTES = 8 << 20
"""Size of a run file; larger ones are something else."""
HEAD = 64 << 10
"""Bytes from the beginning of a file within which it must say what it is."""


@dataclass(frozen=True)
class Found:
    """A file that says that it is a run.

    Args:
        name: its path relative to the folder, with ``/`` between the parts.
        run: the run, or None where it cannot be read.
        error: why not, in one line that names the file as ``name`` does.
    """

    name: str
    run: Run | None
    error: str = ""


@dataclass(frozen=True)
class Listing:
    """The runs under a folder.

    Args:
        runs: by their names; a copy in a folder of traces is left out where the run is there.
        note: what was left out, in one sentence, or empty.
    """

    runs: tuple[Found, ...]
    note: str = ""


class Runs:
    """The runs under one folder; a file is read again when it has changed.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self._lock = threading.Lock()
        self._known: dict[str, tuple[tuple[int, int, int], Found | None]] = {}

    def any(self) -> bool:
        """Whether there is a file that says that it is a run."""
        return any(self._is_run(name) for name in self._names([]))

    def listing(self) -> Listing:
        """Look for runs, and read those that are new or have changed."""
        left_out: list[str] = []
        found: list[Found] = []
        for name in self._names(left_out):
            if len(found) == MOST_RUNS:
                left_out.append(f"more than {count(MOST_RUNS)} runs")
                break
            one = self._read(name)
            if one is not None:
                found.append(one)
        runs = {one.name: one for one in found}
        shown = tuple(one for one in sorted(found, key=_order) if not _is_copy(one, runs))
        return Listing(shown, f"Not everything is shown: {', '.join(left_out)}." if left_out else "")

    def read(self, name: str) -> Found | None:
        """Read one run.

        Args:
            name: as `listing` gives it; it comes from whoever asks.

        Returns:
            The run or why it cannot be read; None where no run of that name lies under the folder.
        """
        parts = name.split("/")
        asked_well = all(map(_is_plain, parts)) and _may_be_run(parts[-1]) and len(parts) <= DEEPEST + 1
        return self._read(name) if asked_well else None

    def _names(self, left_out: list[str]) -> Iterator[str]:
        """Files that may be runs, higher folders first; says what it left out."""
        folders, seen = [""], 0
        for level in range(DEEPEST + 1):
            below = []
            for folder in folders:
                for entry in _entries(self.root / folder):
                    seen += 1
                    if seen > MOST_FILES:
                        left_out.append(f"more than {count(MOST_FILES)} files")
                        return
                    name = f"{folder}{entry.name}"
                    if not _is_plain(entry.name):
                        continue
                    # A link to a folder could lead elsewhere, or round in a circle.
                    if entry.is_dir(follow_symlinks=False):
                        below.append(f"{name}/")
                    elif _may_be_run(entry.name):
                        yield name
            folders = below
            if level == DEEPEST and below:
                left_out.append(f"more than {DEEPEST} levels of folders")

    def _path(self, name: str) -> tuple[Path, os.stat_result] | None:
        """Where the file really is, if that is under the folder and can be a run."""
        try:
            path = Path(os.path.realpath(self.root / name))
            about = os.stat(path)
        except (OSError, ValueError):
            return None
        ordinary = stat.S_ISREG(about.st_mode) and about.st_size <= MOST_BYTES
        return (path, about) if ordinary and path.is_relative_to(self.root) else None

    def _is_run(self, name: str) -> bool:
        place = self._path(name)
        return place is not None and _says_run(place[0])

    def _read(self, name: str) -> Found | None:
        place = self._path(name)
        if place is None:
            return None
        path, about = place
        state = (about.st_mtime_ns, about.st_size, about.st_ino)
        with self._lock:
            known = self._known.get(name)
        if known is not None and known[0] == state:
            return known[1]
        found = self._load(name, path) if _says_run(path) else None
        with self._lock:
            if len(self._known) >= MOST_FILES:
                self._known.clear()
            self._known[name] = (state, found)
        return found

    def _load(self, name: str, path: Path) -> Found:
        try:
            return Found(name, runfile.load(path))
        except RunFileError as error:
            # Where the log directory lies is nobody's concern who only reads the page.
            return Found(name, None, str(error).replace(shown(path), shown(name), 1))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_plain(part: str) -> bool:
    """Whether it names a file or folder that is neither hidden nor one that an address cannot hold."""
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return bool(part) and not part.startswith(".") and not any(sign in part for sign in "\\\0")


def _may_be_run(file: str) -> bool:
    return file.endswith(".json") and not file.endswith(".trace.json")


def _says_run(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return f'"{FORMAT}"'.encode() in file.read(HEAD)
    except OSError:
        return False


def _order(found: Found) -> tuple[str, ...]:
    return tuple(found.name.split("/"))


def _is_copy(found: Found, runs: dict[str, Found]) -> bool:
    """Whether it is the copy that lies among the traces of a run that is there as well."""
    *above, folder, file = ["", *found.name.split("/")]
    original = runs.get("/".join([*above[1:], file])) if folder.endswith(".trace") else None
    if original is None or original.run is None or found.run is None:
        return False
    return (original.run.created, original.run.rank) == (found.run.created, found.run.rank)
