"""Run the same program by Python and by `run_script`, each in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

# What is recompiled is a syntax tree, as it is where marks are put in.
DRIVER = """
import os, sys
from rnnprof.errors import UsageError
from rnnprof.instrument.script import find_target, run_script

MODE, PID = os.environ["RUN_MODE"], os.getpid()

def note(words):
    with open(os.environ["RUN_NOTES"], "a") as file:
        file.write(words + ("" if os.getpid() == PID else " in a child") + "\\n")

def compile_(name, source):
    note("compile " + os.path.relpath(name, os.environ["RUN_FOLDER"]))
    if MODE == "broken":
        raise RuntimeError("no\\nrewriting")
    if MODE == "none":
        return None
    return compile(compile(source, name, "exec", 0x400, True), name, "exec", dont_inherit=True)

def finish(ended):
    note("finish " + ended)
    for line in failures:
        note("failure " + line.replace(os.environ["RUN_FOLDER"], "FOLDER"))
    if MODE == "badend":
        raise RuntimeError("the disk\\nis full")

def main():
    words = sys.argv[1:]
    module = words.pop(0) == "-m" if words[0] == "-m" else False
    name, *argv = words
    try:
        target = find_target(None if module else name, name if module else None, argv)
    except UsageError as error:
        print("rnnprof: error:", error, file=sys.stderr)
        return 2
    return run_script(target, compile_, lambda: note("begin"), finish, failures)

failures = []
if __name__ == "__main__":
    sys.exit(main())
"""


def programs(name: str) -> dict[str, str]:
    """The programs of a file of ``programs/``: their text by their heading."""
    text = (Path(__file__).parent / "programs" / name).read_text(encoding="utf-8")
    parts = re.split(r"^=== (.*)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


class Ended(NamedTuple):
    """How a process ended, and what it wrote but for the addresses of objects."""

    code: int
    out: bytes
    err: bytes


class Runner:
    """Writes a program's files into a folder, afresh for each run, and runs it there.

    Args:
        base: an empty folder.
        files: the program's files: their text by their path.
    """

    def __init__(self, base: Path, files: dict[str, str | bytes]) -> None:
        self.folder, self.files = base / "program", files
        self.notes_path = base / "notes.txt"
        self.driver = base / "drivers" / "driver.py"
        self.driver.parent.mkdir()
        self.driver.write_text(DRIVER)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RUN_NOTES": str(self.notes_path),
            "RUN_FOLDER": str(self.folder),
            "PYTHONHASHSEED": "0",
        }
        for name in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS"):
            self.environment.pop(name, None)

    def plain(self, *words: str, flags: tuple[str, ...] = (), stdin: bytes = b"") -> Ended:
        """Run ``python flags words``."""
        return self._run([*flags, *words], "", stdin)

    def under(self, mode: str, *words: str, flags: tuple[str, ...] = (), stdin: bytes = b"") -> Ended:
        """Run ``python flags driver.py words``; `mode` says what becomes of the code."""
        return self._run([*flags, str(self.driver), *words], mode, stdin)

    def by_module(self, mode: str, *words: str) -> Ended:
        """Run ``python -m driver words``."""
        self.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(self.driver.parent)])
        return self._run(["-m", "driver", *words], mode, b"")

    def notes(self) -> list[str]:
        """The lines that the driver wrote in its last run."""
        return self.notes_path.read_text().splitlines() if self.notes_path.exists() else []

    def _run(self, words: list[str], mode: str, stdin: bytes) -> Ended:
        self.lay_out()
        done = subprocess.run(
            [sys.executable, *words],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env={**self.environment, "RUN_MODE": mode},
            check=False,
        )
        return Ended(
            done.returncode, *(re.sub(b" at 0x[0-9a-f]+", b"", text) for text in (done.stdout, done.stderr))
        )

    def lay_out(self) -> None:
        """Write the files, and nothing else, into the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.notes_path.unlink(missing_ok=True)
        self.folder.mkdir()
        for name, text in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())


def compare(
    base: Path,
    files: dict[str, str | bytes],
    *words: str,
    mode: str = "tree",
    flags: tuple[str, ...] = (),
    stdin: bytes = b"",
) -> list[str]:
    """Assert that a program does the same by Python and by the driver; return the driver's notes."""
    runner = Runner(base, files)
    plain = runner.plain(*words, flags=flags, stdin=stdin)
    assert runner.under(mode, *words, flags=flags, stdin=stdin) == plain
    return runner.notes()
