"""Where a report goes: to a file, or to the terminal with its width, colours and characters."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rnnprof.errors import UsageError
from rnnprof.renderers.table.model import ASCII, NARROWEST
from rnnprof.runfile import write_atomically

WIDTH = 80
"""Width of a report that does not go to a terminal."""
NOT_ASCII = "µ…–±█▏"


@dataclass(frozen=True)
class Medium:
    """What a text is laid out for.

    Args:
        width: columns.
        color: whether it shows colours.
        ascii_only: whether it lacks the signs of a report that are not ASCII.
    """

    width: int
    color: bool
    ascii_only: bool


def medium(stream: TextIO) -> Medium:
    """What a stream is, where nobody said otherwise.

    Args:
        stream: where a text goes.
    """
    wide = max(shutil.get_terminal_size().columns, NARROWEST) if stream.isatty() else WIDTH
    return Medium(wide, _shows_color(stream), not _can_print(stream))


def add_arguments(parser: argparse.ArgumentParser, formats: Iterable[str]) -> None:
    """Declare the options of a subcommand that prints or writes a report.

    Args:
        parser: the subcommand's own parser.
        formats: those of its reports.
    """
    parser.add_argument("--format", choices=tuple(formats), help="default: text, or what -o FILE ends in")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write to a file, not to the terminal"
    )
    parser.add_argument(
        "--width", type=int, metavar="N", help="columns of a text report; default: the terminal's"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="default: %(default)s"
    )


def chosen(args: argparse.Namespace, endings: Mapping[str, str]) -> str:
    """The format that is asked for, by name or by the file's ending.

    Args:
        args: what :func:`add_arguments` declares.
        endings: the formats by their files' endings.

    Raises:
        UsageError: the file has no such ending, the width is too small, or there is nowhere to print.
    """
    output: Path | None = args.output
    form: str | None = args.format
    if form is None and output is not None:
        form = endings.get(output.suffix.lower())
        if form is None:
            raise UsageError(f"-o {output}: give --format, or one of the endings {' '.join(endings)}")
    if args.width is not None and args.width < NARROWEST:
        raise UsageError(f"--width {args.width} is too narrow: give {NARROWEST} or more")
    if output is None:
        need_stdout()
    return form or "text"


def keep(args: argparse.Namespace, *runs: Path) -> None:
    """Raise UsageError where a report would be written over what it is made of.

    Args:
        args: what :func:`add_arguments` declares.
        runs: the files that are read.
    """
    output: Path | None = args.output
    if output is not None and output.exists():
        for run in runs:
            if run.exists() and output.samefile(run):
                raise UsageError(f"-o {output} would overwrite the run that is in it: give another name")


def put(args: argparse.Namespace, render: Callable[[Medium], str]) -> None:
    """Print or write a report.

    Args:
        args: what :func:`add_arguments` declares.
        render: makes the text.

    Raises:
        RunFileError: the file cannot be written; an older one is then as it was.
    """
    to = Medium(WIDTH, False, False) if args.output is not None else medium(sys.stdout)
    color = to.color if args.color == "auto" else args.color == "always"
    text = render(Medium(args.width or to.width, color, to.ascii_only))
    if args.output is not None:
        write_atomically(args.output, text)
    else:
        say(text)


def need_stdout() -> None:
    """Raise UsageError if the program was started with stdout closed."""
    if sys.stdout is None:
        raise UsageError("stdout is closed: there is nowhere to print")


def say(words: str) -> None:
    """Write to stdout, whatever its encoding.

    Args:
        words: what to write, newlines included. What stdout cannot write becomes ASCII or ``?``.
    """
    encoding = sys.stdout.encoding or "utf-8"
    plain = words if _can_print(sys.stdout, words) else words.translate(ASCII)
    sys.stdout.write(plain.encode(encoding, "replace").decode(encoding))


def _shows_color(stream: TextIO) -> bool:
    """Whether to colour a report that nobody said it of (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _can_print(stream: TextIO, words: str = NOT_ASCII) -> bool:
    """Whether a stream has all characters of some words."""
    try:
        words.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
