"""A script under `run_script` prints, returns and sees what it does under Python itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.instrument.script_runs import Runner, compare, programs

ENDS = programs("ends.txt")
SEES = programs("sees.txt")
PROCESSES = programs("processes.txt")

BESIDE: dict[str, str | bytes] = {
    "beside.py": "def f():\n    return 'beside'  # a comment\n",
    "package/__init__.py": "",
    "package/inner.py": "from . import other\nx = other.y\n",
    "package/other.py": "y = 5\n",
    "package/data.txt": "data",
    "wrong.py": "def f():\n    1 / 0\n\n\nf()\n",
    "unparsed.py": "x = 1\ny = = 2\n",
    "warned.py": "x = 1\nprint(x is 1)\n",
}

SOURCES: dict[str, bytes] = {
    "latin-1": b"# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n1 / 0  # \xe9\n",
    "a byte order mark": b"\xef\xbb\xbfprint(ascii('\xc3\xa9'))\n1 / 0",
    "CRLF": b"x = '''a\r\nb'''\r\nprint(repr(x))\r\n1 / 0\r\n",
    "form feeds": b"x = 1\n\x0c\ndef f():\n    1 / 0\n\x0c\nf()\n",
    "tabs": b"if 1:\n\tprint(1)\n",
    "no last newline": b"print(1)\n# end",
    "a hashbang": b"#!/usr/bin/env python\nprint(1)",
    "a syntax error": b"x = 1\ny = = 2\n",
    "an unclosed string": b"print(1)\nx = '''abc\n",
    "an unclosed bracket": b"print(1)\nx = (1,\n",
    "wrong indents": b"if 1:\n    x = 1\n  y = 2\n",
    "mixed tabs": b"if 1:\n        x = 1\n\ty = 2\n",
    "a return outside": b"print(1 is 1)\nreturn 3\n",
    "bytes that are not UTF-8": b"print(1)\nx = '\xe9'\n",
    "an unknown coding": b"# coding: nonsense\nprint(1)\n",
    "a null byte": b"print(1)\nx = 1\x00\n",
    "too many brackets": b"(" * 300 + b")" * 300,
}


@pytest.mark.parametrize("heading", ENDS)
def test_how_it_ends(heading: str, tmp_path: Path) -> None:
    notes = compare(tmp_path, {"main.py": ENDS[heading]}, "main.py")
    assert notes == ["compile main.py", "begin", f"finish {heading.partition(' | ')[2]}"]


@pytest.mark.parametrize("name", SEES)
def test_what_it_sees(name: str, tmp_path: Path) -> None:
    files = {"main.py": SEES[name], **BESIDE}
    notes = compare(tmp_path, files, "main.py", "--flag", "a b", stdin=b"one\ntwo\n")
    assert notes[:2] == ["compile main.py", "begin"]
    assert [line for line in notes if line.startswith("finish")] == notes[-1:]


@pytest.mark.parametrize("name", SOURCES)
def test_what_it_is_written_in(name: str, tmp_path: Path) -> None:
    compare(tmp_path, {"main.py": SOURCES[name]}, "main.py", "word")


@pytest.mark.parametrize("name", PROCESSES)
def test_processes(name: str, tmp_path: Path) -> None:
    notes = compare(tmp_path, {"main.py": PROCESSES[name], **BESIDE}, "main.py")
    assert notes[-1] == "finish finished"
    assert not [line for line in notes if line.endswith("in a child")]


def test_modules_that_hide_those_of_the_standard_library(tmp_path: Path) -> None:
    source = "import dataclasses, queue\nprint(dataclasses.x, queue.x)"
    files = {"main.py": source, "queue.py": "x = 'mine'", "dataclasses.py": "x = 'mine too'"}
    notes = compare(tmp_path, files, "main.py")
    assert notes[2:] == ["compile dataclasses.py", "compile queue.py", "finish finished"]


BETWEEN = """\
import rnnprof.instrument.script as ours
def between(function):
    return function()
between.__code__ = between.__code__.replace(co_filename=ours.__file__)
def fails():
    1 / 0
def fails_again():
    try:
        between(fails)
    except ZeroDivisionError as error:
        raise ValueError(1) from error
between(lambda: between(fails_again))
"""


def test_frames_of_the_machinery_are_no_part_of_a_traceback(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {"main.py": BETWEEN})
    plain, under = runner.plain("main.py"), runner.under("tree", "main.py")
    assert re.findall(rb"in (\w+|<.*>)\n", plain.err) == [
        *[b"fails_again", b"between", b"fails", b"<module>", b"between", b"<lambda>"],
        *[b"between", b"fails_again"],
    ]
    assert re.findall(rb"in (\w+|<.*>)\n", under.err) == [
        *[b"fails_again", b"fails", b"<module>", b"<lambda>", b"fails_again"],
    ]


CLOSED = """\
import os
os.write(2, b"ready")
assert os.read(0, 1) == b"x"
print("nobody reads this")
"""


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {"main.py": CLOSED, "fails.py": CLOSED + "\nimport sys; sys.stdout.flush()"})
    runner.lay_out()
    ends = []
    for name in ("main.py", "fails.py"):
        for words in ([name], [str(runner.driver), name]):
            process = subprocess.Popen(
                [sys.executable, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=runner.folder,
                env={**runner.environment, "RUN_MODE": "tree"},
            )
            assert process.stdout is not None
            process.stdout.close()
            process.stdout = None
            ends.append((process.communicate(b"x")[1], process.returncode))
    assert ends[0] == ends[1]
    assert ends[2] == ends[3]
    assert ends[0][1] == 120
    assert ends[2][0].count(b"BrokenPipeError") == 2


def test_both_streams_keep_their_order(tmp_path: Path) -> None:
    source = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')\n1 / 0"
    runner = Runner(tmp_path, {"main.py": source})
    runner.lay_out()
    outs = [
        subprocess.run(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=runner.folder,
            env={**runner.environment, "RUN_MODE": "tree"},
            check=False,
        ).stdout
        for words in (["main.py"], [str(runner.driver), "main.py"])
    ]
    assert outs[0] == outs[1]
