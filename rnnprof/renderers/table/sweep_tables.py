"""A sweep as words and tables: combinations, what each factor explains, the law of its times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis.bptt import Knee
from rnnprof.analysis.sweep_metrics import PERPLEXITY
from rnnprof.analysis.swept import Combination, Effects, Law, SweepReport, multiple
from rnnprof.renderers.table.model import Block, Column, Row, Section, Table, Words, many, mean


@dataclass(frozen=True)
class _Shown:
    """A column: its heading, when it is left out first, and what it shows of a combination."""

    title: str
    rank: int
    cell: Callable[[Combination], str]
    raw: tuple[tuple[str, Callable[[Combination], str]], ...]


def blocks(report: SweepReport) -> list[Block]:
    """What a report of a sweep holds, from top to bottom."""
    total, done, failed, missing = report.runs
    facts = [many(total, "run"), f"{done} done", *([f"{failed} failed"] if failed else [])]
    facts += [f"{missing} not run yet"] if missing else []
    about = report.environment
    where = [str(about[key]) for key in ("device", "cpu") if about.get(key)]
    where += [f"torch {about['torch']}"] if about.get("torch") else []
    found: list[Block] = [
        Words("title", (f"Sweep of {units.visible(report.command)}",)),
        Words("about", (units.visible(", ".join([", ".join(facts), *where, report.created[:10]])),)),
        _combinations(report),
        Words("legend", tuple(_legend(report))),
    ]
    for one in report.effects:
        found += _effects(one)
    for law in report.laws:
        found.append(Words("facts", tuple(_law(law))))
    found += _knee(report.knee) if report.knee is not None else []
    failures = [
        f"{_name(report, row)}: {words}{f' ({number} runs)' * (number > 1)}"
        for row in report.combinations
        for words, number in Counter(row.failures).items()
    ]
    notes = (*report.notes, *failures)
    return [*found, Words("notes", notes)] if notes else found


def raw(report: SweepReport) -> Table:
    """The table of combinations for programs: whole nanoseconds and bytes; an empty cell is not known."""
    columns = [Column(name, right=False) for name in report.factors]
    columns += [Column("status", right=False), Column("runs_done"), Column("steps")]
    parts = [part for shown in _columns(report, everything=True) for part in shown.raw]
    columns += [Column(title, right=title != "peak_of") for title, _ in parts]
    columns.append(Column("failures", right=False))
    rows = [
        Row(
            (
                *(*row.levels, row.status, str(row.done), str(row.steps)),
                *(cell(row) for _, cell in parts),
                "; ".join(row.failures),
            )
        )
        for row in report.combinations
    ]
    return Table(tuple(columns), (Section("", tuple(rows)),))


def _combinations(report: SweepReport) -> Table:
    shown = _columns(report)
    columns = [Column(units.visible(name), right=number > 0) for number, name in enumerate(report.factors)]
    whole = all(row.status == "done" for row in report.combinations)
    columns += [] if whole else [Column("runs", right=False)]
    columns += [Column(one.title, rank=one.rank) for one in shown]
    rows = [
        Row(
            (
                *map(units.visible, row.levels),
                *([] if whole else [row.status]),
                *(one.cell(row) for one in shown),
            )
        )
        for row in report.combinations
    ]
    return Table(tuple(columns), (Section("", tuple(rows)),))


def _columns(report: SweepReport, everything: bool = False) -> list[_Shown]:
    """The columns that hold something, or all of them."""
    found = [
        _Shown("time per step", 0, lambda row: _mean(row.step_ns, row.step_half), _time("step", "step_ns")),
        _Shown("per epoch", 1, lambda row: _mean(row.epoch_ns, row.epoch_half), _time("epoch", "epoch_ns")),
        _Shown(
            "tokens/s",
            3,
            lambda row: _some(row.tokens_per_second, units.count),
            (
                ("tokens_per_second", lambda row: _some(row.tokens_per_second, "{:.9g}".format, "")),
                ("tokens_per_second_low", lambda row: _end(row.tokens_interval, 0)),
                ("tokens_per_second_high", lambda row: _end(row.tokens_interval, 1)),
                ("steps_per_epoch", lambda row: _whole(row.steps_per_epoch)),
            ),
        ),
        _Shown(
            "memory",
            4,
            lambda row: _some(row.peak_bytes, units.size),
            (("peak_bytes", lambda row: _whole(row.peak_bytes)), ("peak_of", lambda row: row.peak_place)),
        ),
        _Shown(
            "in a step",
            6,
            lambda row: _some(row.step_peak_bytes, units.size),
            (("step_peak_bytes", lambda row: _whole(row.step_peak_bytes)),),
        ),
        _Shown(
            "parameters",
            5,
            lambda row: _some(row.parameters, units.metric),
            (("parameters", lambda row: _whole(row.parameters)),),
        ),
    ]
    for number, name in enumerate(report.metrics):
        found += _metric(name, number)
    return [one for one in found if everything or any(one.cell(row) != "–" for row in report.combinations)]


def _time(title: str, name: str) -> tuple[tuple[str, Callable[[Combination], str]], ...]:
    interval = name.replace("_ns", "_interval")
    return (
        (f"{title}_ns", lambda row: _rounded(getattr(row, name))),
        (f"{title}_low_ns", lambda row: _end(getattr(row, interval), 0)),
        (f"{title}_high_ns", lambda row: _end(getattr(row, interval), 1)),
    )


def _metric(name: str, number: int) -> list[_Shown]:
    def of(row: Combination, which: str) -> float | None:
        return next((getattr(one, which) for one in row.metrics if one.name == name), None)

    def column(which: str, rank: int) -> _Shown:
        return _Shown(
            f"{which} {'ppl' if name == PERPLEXITY else units.visible(name)}",
            rank,
            lambda row: _some(of(row, which), _value),
            ((f"{which} {name}", lambda row: _some(of(row, which), repr, "")),),
        )

    return [column("final", 7 + number), column("best", 2)]


def _legend(report: SweepReport) -> list[str]:
    how = (
        "±: 95 % interval, from how much runs of a combination differ beside what their rounds share."
        if report.rounds > 1
        else "±: 95 % interval within one run; what changes from run to run is not in it (--repeat)."
    )
    steps = "each script ran to its own end" if report.steps is None else f"{report.steps} steps"
    lines = [f"{how} Per run: {steps}, after {many(report.warmup, 'step')} of warmup."]
    if any(row.epoch_ns is not None for row in report.combinations):
        lines.append("Per epoch: time per step × steps in an epoch, without validation.")
    places = sorted({row.peak_place for row in report.combinations if row.peak_place})
    if places:
        what = "resident in the process" if places == ["resident"] else f"allocated on {', '.join(places)}"
        lines.append(
            f"Memory: the most that was {what}; in a step: allocated above what the step began with."
        )
    return lines


def _effects(found: Effects) -> list[Block]:
    columns = (Column("factor", right=False), Column("explains"), Column("time by level", right=False))
    rows = [
        Row(
            (
                units.visible(one.name),
                one.percent,
                ", ".join(f"{units.visible(each.level)} {multiple(each.ratio)}" for each in one.levels),
            )
        )
        for one in found.factors
    ]
    rest = "interactions, noise" if found.noise is None else f"noise would be {units.fraction(found.noise)}"
    rows.append(Row(("rest", found.rest.percent, rest), quiet=True))
    title = f"What explains {found.of}, {many(found.cells, 'combination')}"
    return [Table(columns, (Section(title, tuple(rows)),)), Words("legend", (units.visible(found.sentence),))]


def _law(law: Law) -> list[str]:
    lines = [
        units.visible(law.formula),
        f"off by {units.fraction(law.typical)} as a rule for a combination that it has not seen, at worst by "
        f"{units.fraction(law.worst)} ({many(law.cells, 'combination')}, each left out in turn)",
    ]
    for one in law.powers:
        low, high = one.interval
        lines.append(
            f"exponent of {units.visible(one.name)}: {one.exponent:.2f}, standard error {one.error:.2f}, "
            f"95 % interval {low:.2f} to {high:.2f}"
        )
    return lines


def _knee(found: Knee) -> list[Block]:
    columns = (Column(units.visible(found.factor)), Column("time per token"), Column("does not grow"))
    rows = [Row((units.visible(one.level), multiple(one.ratio), one.percent)) for one in found.levels]
    title = f"Time per token by {units.visible(found.factor)}, {many(found.cells, 'combination')}"
    return [Table(columns, (Section(title, tuple(rows)),)), Words("legend", (units.visible(found.sentence),))]


def _name(report: SweepReport, row: Combination) -> str:
    return " ".join(f"{name}={level}" for name, level in zip(report.factors, row.levels, strict=True))


def _mean(ns: float | None, half: float | None) -> str:
    return "–" if ns is None else mean(ns, half)


def _some(number: float | None, write: Callable[..., str], missing: str = "–") -> str:
    return missing if number is None else write(number)


def _value(number: float) -> str:
    return units.significant(number, 4) if math.isfinite(number) else str(number)


def _whole(number: int | None) -> str:
    return "" if number is None else str(number)


def _rounded(number: float | None) -> str:
    return "" if number is None else str(round(number))


def _end(interval: Sequence[float] | None, place: int) -> str:
    return "" if interval is None else _rounded(interval[place])
