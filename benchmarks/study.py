"""The table of docs/study.md, from the two sweeps that it describes.

python benchmarks/study.py docs/study/time.csv docs/study/perplexity.csv

The files are what `rnnprof sweep report FOLDER -o FILE.csv` wrote. Times are in a form for people; the
files have them in nanoseconds.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rnnprof import units

FACTORS = ("model", "emsize", "nlayers", "bptt")
HEAD = (
    "| model | emsize | nlayers | bptt | step | epoch | step, small vocabulary | perplexity |",
    "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)
Row = dict[str, str]


def table(time: Path, perplexity: Path) -> list[str]:
    """Put two sweeps of one grid side by side.

    Args:
        time: the sweep in which time was measured, as CSV.
        perplexity: the one in which whole epochs were trained, as CSV.

    Returns:
        The lines of a Markdown table, one row for each combination.
    """
    trained = {_levels(row): row for row in _rows(perplexity)}
    return [*HEAD, *(_line(row, trained[_levels(row)]) for row in _rows(time))]


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _levels(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in FACTORS)


def _line(row: Row, trained: Row) -> str:
    best = float(trained["best valid perplexity"])
    cells = (
        *_levels(row),
        _time(row, "step"),
        _time(row, "epoch"),
        _time(trained, "step"),
        units.significant(best),
    )
    return f"| {' | '.join(cells)} |"


def _time(row: Row, what: str) -> str:
    """A mean and half of its 95 % interval."""
    mean, low, high = (float(row[f"{what}_{part}"]) for part in ("ns", "low_ns", "high_ns"))
    return f"{units.duration(mean)} ± {units.duration((high - low) / 2)}"


if __name__ == "__main__":
    print("\n".join(table(*map(Path, sys.argv[1:3]))))
