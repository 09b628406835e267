"""What cProfile saw, as a user reads it: short places, shares, the most expensive functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rnnprof.analysis.captured import FunctionReport, FunctionRow, FunctionTable
from rnnprof.analysis.portions import Portion, portions, together, tree_order
from rnnprof.captures import Function, Functions, Path

TOP = 10
"""Functions in the short table of a whole part."""
TOP_OF_STAGE = 3
"""Functions, or operators, in the short table of a stage."""
NOTABLE = 0.01
"""Share from which a stage's functions, or operators, are in the short table."""
BUILT_IN = "~"
INSTALLED = re.compile(
    r"\A(?:.*/(?:site|dist)-packages/|.*/lib(?:64)?/python3\.\d+t?/|.*/python3\d+/lib/)", re.I
)
"""Where installed packages and Python's own modules lie."""
MOST_FOLDERS = 8


def functions(found: Functions) -> FunctionReport:
    """Divide what cProfile saw.

    Args:
        found: the run's summary of it.

    Returns:
        Every number and name that a report prints.
    """
    every = (*found.setup, *found.loop, *(one for stage in found.stages for one in stage.functions))
    short = short_files({one.file for one in every})
    by_path = {stage.path: stage for stage in found.stages}
    order = [by_path[path] for path in tree_order(list(by_path))]
    divided = portions([_parts(stage.own_ns, stage.functions) for stage in order])
    return FunctionReport(
        file=found.file,
        loop_file=found.loop_file,
        loop=_part(found.loop_ns, found.loop, short),
        setup=_part(found.setup_ns, found.setup, short),
        steps=found.steps,
        stages=tuple(
            _table(stage.path, stage.functions, shares, short, found.steps, None)
            for stage, shares in zip(order, divided, strict=True)
        ),
    )


def short_files(files: Iterable[str]) -> dict[str, str]:
    """Shorten the names of source files.

    Args:
        files: paths, as the code objects name them.

    Returns:
        For each its place in its package, or, for the user's own, as many of its last folders as
        tell it from the others.
    """
    found, own = {}, {}
    for file in files:
        plain = file.replace("\\", "/") if re.match(r"[A-Za-z]:\\|\\\\", file) else file
        package = INSTALLED.sub("", plain, count=1)
        if package != plain or "/" not in plain:
            found[file] = package
        else:
            own[file] = plain.rsplit("/", MOST_FOLDERS)
    for number in range(1, MOST_FOLDERS + 1):
        tails = {file: "/".join(parts[-number:]) for file, parts in own.items()}
        times = Counter(tails.values())
        alone = [file for file, tail in tails.items() if times[tail] == 1 or len(own[file]) <= number]
        found |= {file: tails[file] for file in alone}
        own = {file: parts for file, parts in own.items() if file not in found}
    return found | {file: file for file in own}


def place(function: Function, short: Mapping[str, str]) -> str:
    """Name a function as ``pstats`` does, with a short file.

    Args:
        function: the function.
        short: the short name of each file.

    Returns:
        ``file:line(name)``; the name alone for a built-in function, in braces where it has angles.
    """
    if function.file == BUILT_IN and function.line == 0:
        inner = function.name[1:-1]
        return f"{{{inner}}}" if function.name == f"<{inner}>" else function.name
    return f"{short[function.file]}:{function.line}({function.name})"


def _parts(own_ns: int, found: Sequence[Function]) -> list[int]:
    """Own times, and last what is left of their sum for the functions that are not kept."""
    kept = [one.own_ns for one in found]
    return [*kept, max(own_ns - sum(kept), 0)]


def _part(own_ns: int, found: Sequence[Function], short: Mapping[str, str]) -> FunctionTable:
    return _table((), found, portions([_parts(own_ns, found)])[0], short, 0, TOP)


def _table(
    path: Path,
    found: Sequence[Function],
    shares: Sequence[Portion],
    short: Mapping[str, str],
    steps: int,
    top: int | None,
) -> FunctionTable:
    """The functions of one part; without a fixed number to show, as many as the stage is worth."""
    whole = together(shares)
    rows = [_row(one, share, short, steps) for one, share in zip(found, shares[:-1], strict=True)]
    rows.sort(key=lambda row: -row.own_ns)
    if shares[-1].part:
        rows.append(_rest(shares[-1], steps))
    kept = len(rows) - bool(shares[-1].part)
    if top is None:
        top = TOP_OF_STAGE if (whole.share or 0) >= NOTABLE else 0
    shown = min(top, kept)
    order = sorted(range(len(found)), key=lambda i: -found[i].own_ns)
    left = together([*(shares[i] for i in order[shown:]), shares[-1]])
    return FunctionTable(
        path=path,
        own_ns=whole.part,
        own_per_step_ns=whole.part / steps if steps else None,
        share=whole.share,
        percent=whole.percent,
        functions=tuple(rows),
        shown=shown,
        unshown=_rest(left, steps) if left.part else None,
    )


def _row(one: Function, share: Portion, short: Mapping[str, str], steps: int) -> FunctionRow:
    row = FunctionRow(
        name=place(one, short),
        file=one.file,
        line=one.line,
        function=one.name,
        calls=one.calls,
        primitive_calls=one.primitive_calls,
        own_ns=one.own_ns,
        total_ns=one.total_ns,
        own_each_ns=one.own_ns / one.calls if one.calls else None,
        total_each_ns=one.total_ns / one.primitive_calls if one.primitive_calls else None,
        share=share.share,
        percent=share.percent,
    )
    if not steps:
        return row
    return replace(row, own_per_step_ns=one.own_ns / steps, calls_per_step=one.calls / steps)


def _rest(share: Portion, steps: int) -> FunctionRow:
    """All functions that are not told apart; their calls are not known, nor their total time."""
    return FunctionRow(
        name="other functions",
        file="",
        line=0,
        function="",
        calls=None,
        primitive_calls=None,
        own_ns=share.part,
        total_ns=None,
        own_each_ns=None,
        total_each_ns=None,
        share=share.share,
        percent=share.percent,
        own_per_step_ns=share.part / steps if steps else None,
        remainder=True,
    )
