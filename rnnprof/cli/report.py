"""``rnnprof report``: a recorded run as a table or a flowchart."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from rnnprof import runfile
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown
from rnnprof.errors import UsageError
from rnnprof.renderers.table.model import ASCII, NARROWEST

WIDTH = 80
"""Width of a report that does not go to a terminal."""

TABLES = ("text", "markdown", "csv", "json")
FLOWCHARTS = ("dot", "svg", "tikz", "mermaid")
ENDINGS = {
    ".txt": "text",
    ".md": "markdown",
    ".csv": "csv",
    ".json": "json",
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
    ".tex": "tikz",
    ".mmd": "mermaid",
}
NOT_ASCII = "µ…–±█▏"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand.

    Args:
        parser: the subcommand's own parser.
    """
    parser.add_argument("file", metavar="FILE", type=Path, help="the run, as it was recorded")
    parser.add_argument(
        "--format", choices=(*TABLES, *FLOWCHARTS), help="default: text, or what -o FILE ends in"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write to a file, not to the terminal"
    )
    parser.add_argument(
        "--by", choices=("step", "run"), help="what 100 %% is; default: step for tables, run for flowcharts"
    )
    parser.add_argument(
        "--width", type=int, metavar="N", help="columns of a text report; default: the terminal's"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Print or write the report.

    Args:
        args: what :func:`add_arguments` declares.

    Returns:
        The exit code 0.

    Raises:
        RnnprofError: the run cannot be read or holds no time, the report cannot be written, or the
            options make no sense.
    """
    form = args.format or _form_of(args.output)
    if args.width is not None and args.width < NARROWEST:
        raise UsageError(f"--width {args.width} is too narrow: give {NARROWEST} or more")
    if args.output is None:
        need_stdout()
    recorded = runfile.load(args.file)
    if args.output is not None and _same_file(args.file, args.output):
        raise UsageError(f"-o {args.output} would overwrite the run itself: give another name")
    result = breakdown(recorded, args.by or ("run" if form in FLOWCHARTS else "step"))
    if result.run_ns == 0 and result.step is None:
        raise UsageError(f"{args.file}: the run holds no time yet")
    if args.output is not None:
        runfile.write_atomically(
            args.output, _render(result, form, args.width or WIDTH, args.color == "always", False)
        )
        return 0
    ascii_only = not _can_print(NOT_ASCII)
    say(_render(result, form, _width(args.width), _color(args.color), ascii_only))
    return 0


def need_stdout() -> None:
    """Raise UsageError if the program was started with stdout closed."""
    if sys.stdout is None:
        raise UsageError("stdout is closed: there is nowhere to print")


def say(words: str) -> None:
    """Write to stdout, whatever its encoding.

    Args:
        words: what to write, newlines included. What stdout cannot write becomes ASCII or ``?``.
    """
    sys.stdout.write(_printable(words))


def _render(result: Breakdown, form: str, width: int, color: bool, ascii_only: bool) -> str:
    """The report in one format; each renderer is loaded only where it is needed."""
    if form == "json":
        from rnnprof.renderers import json_report

        return json_report.render(result)
    if form in FLOWCHARTS:
        from rnnprof.renderers import flowchart

        return flowchart.render(result, form)
    from rnnprof.renderers import table

    if form == "markdown":
        return table.markdown(result)
    if form == "csv":
        return table.csv(result)
    return table.text(result, width, color, ascii_only)


def _form_of(output: Path | None) -> str:
    if output is None:
        return "text"
    if output.suffix.lower() in ENDINGS:
        return ENDINGS[output.suffix.lower()]
    raise UsageError(f"-o {output}: give --format, or one of the endings {' '.join(ENDINGS)}")


def _same_file(run: Path, output: Path) -> bool:
    return output.exists() and output.samefile(run)


def _width(asked: int | None) -> int:
    """The width that was asked for, or the terminal's."""
    if asked is not None:
        return asked
    return max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else WIDTH


def _color(asked: str) -> bool:
    """Whether to colour what goes to stdout (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return asked == "always" or (asked == "auto" and sys.stdout.isatty() and not plain)


def _can_print(words: str) -> bool:
    try:
        words.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _printable(words: str) -> str:
    """The words with what stdout cannot write in ASCII, or else as question marks."""
    encoding = sys.stdout.encoding or "utf-8"
    return (
        (words if _can_print(words) else words.translate(ASCII)).encode(encoding, "replace").decode(encoding)
    )
