"""Breakdowns built by hand for the flow charts: the example and loops that are not the example."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from rnnprof.analysis.result import Breakdown, LaneRow, Perturbation, StageRow, StepSummary
from rnnprof.units import percent, tenths

MS = 1_000_000


def needs(program: str) -> None:
    """Skip where a program is missing, with the reason; fail instead where CI promises it."""
    missing = "" if shutil.which(program) else f"{program} is not installed"
    if not missing and program == "pdflatex":
        found = subprocess.run(["kpsewhich", "tikz.sty"], capture_output=True, text=True, check=False)
        missing = "" if found.stdout.strip() else "tikz.sty (texlive-pictures) is not installed"
    if missing and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@dataclass(frozen=True)
class S:
    """A stage of a case: mean time of its own in milliseconds, visits outside steps, child stages."""

    name: str
    ms: float = 0.0
    inner: tuple[S, ...] = ()
    count: int = 1


@dataclass(frozen=True)
class L:
    """A lane of a case: stages inside its steps, stages outside them, number of steps."""

    name: str
    steps: int = 0
    inside: tuple[S, ...] = ()
    outside: tuple[S, ...] = ()
    thread: bool = False


def breakdown(lanes: Sequence[L], by: str = "run", tokens: float | None = 732.4) -> Breakdown:
    """A consistent breakdown of these lanes; its shares add up to 1 and are printed as `units` does."""
    rows: list[StageRow] = []
    for lane in lanes:
        for stages, inside in ((lane.inside, True), (lane.outside, False)):
            for stage in stages:
                rows += _rows(lane, stage, (), inside)
    main = next((lane for lane in lanes if lane.name == "train" and lane.steps), None)
    main = main or next((lane for lane in lanes if lane.steps), None)
    alone = {lane.name for lane in lanes if lane.thread}
    covered = [
        (row.lane not in alone)
        if by == "run"
        else (main is not None and row.lane == main.name and row.in_step)
        for row in rows
    ]
    basis = sum(row.self_ns for row, here in zip(rows, covered, strict=True) if here)
    shares = [row.self_ns / basis if here and basis else 0.0 for row, here in zip(rows, covered, strict=True)]
    parts = tenths(shares)
    done = []
    for at, row in enumerate(rows):
        if not covered[at] or not basis:
            done.append(row)
            continue
        under = [i for i, r in enumerate(rows) if r.lane == row.lane and r.in_step == row.in_step
                 and r.path[: len(row.path)] == row.path]  # fmt: skip
        total, tenth = sum(shares[i] for i in under), sum(parts[i] for i in under)
        done.append(
            replace(row, share=shares[at], percent=percent(parts[at], shares[at]), total_share=total,
                    total_percent=percent(tenth, total))
        )  # fmt: skip
    totals = {lane.name: sum(r.self_ns for r in rows if r.lane == lane.name) for lane in lanes}
    lane_rows, run_ns = [], sum(ns for name, ns in totals.items() if name not in alone)
    for lane in lanes:
        tenth = sum(parts[i] for i, row in enumerate(rows) if row.lane == lane.name)
        share = None if lane.thread else totals[lane.name] / max(run_ns, 1)
        stepped = sum(r.self_ns for r in rows if r.lane == lane.name and r.in_step)
        printed = "–" if share is None else percent(tenth if by == "run" else tenths([share])[0], share)
        lane_rows.append(
            LaneRow(lane.name, lane.thread, totals[lane.name], share, printed, 1, lane.steps,
                    stepped / lane.steps if lane.steps else None)
        )  # fmt: skip
    steps = {}
    for lane, row in zip(lanes, lane_rows, strict=True):
        if lane.steps and row.step_ns is not None:
            speed = tokens if lane is main else None
            steps[lane.name] = StepSummary(
                lane.name, "host", lane.steps, {"host": lane.steps}, int(row.step_ns * lane.steps),
                row.step_ns, row.step_ns, row.step_ns, int(row.step_ns), int(row.step_ns), None,
                tokens_per_second=speed,
            )  # fmt: skip
    step = steps.get(main.name) if main else None
    cost = Perturbation(None, None, 0, 0, "made by hand")
    return Breakdown(by, run_ns, tuple(lane_rows), tuple(done), steps, step, cost)


def _rows(lane: L, stage: S, above: tuple[str, ...], inside: bool) -> list[StageRow]:
    path = (*above, stage.name)
    count = lane.steps if inside else stage.count
    inner = [row for child in stage.inner for row in _rows(lane, child, path, inside)]
    own = round(stage.ms * MS * count)
    total = own + sum(row.self_ns for row in inner)
    mean = total / count if count else 0.0
    row = StageRow(stage.name, path, lane.name, inside, count, own, total, mean_ns=mean, per_step_ns=mean)
    return [row, *inner]


FORWARD = S("forward", 0.4, (S("encoder", 4.9), S("rnn", 30.3), S("decoder", 306.0)))
SETUP = L("setup", outside=(S("corpus", 553), S("batchify", 3.4), S("build_model", 183), S("other", 1.2)))
TRAIN = L(
    "train",
    2983,
    (
        S("get_batch", 0.077), S("repackage", 0.036), S("zero_grad", 2.1), FORWARD, S("loss", 0.305),
        S("backward", 584), S("clip", 15.4), S("update", 13.3), S("other", 1.02),
    ),
    (S("log", 0.8, count=14), S("other", 20)),
)  # fmt: skip
EVALUATE = L("evaluate", 621, (S("get_batch", 0.128), S("forward", 171.6), S("loss", 0.192), S("other", 0.2)))


def _deep() -> tuple[S, ...]:
    cell = S("cell", 1, (S("gates", 5, (S("sigmoid", 3), S("tanh", 2))), S("state", 4)))
    encoder = S("encoder", 2, (S("embed", 3), S("lstm", 1, (cell, S("pack", 1))), S("dropout", 1)))
    decoder = S("decoder", 0.5, (S("attend", 2, (S("scores", 8), S("mix", 3))), S("project", 20)))
    return (
        S("get_batch", 1),
        S("forward", 1, (encoder, decoder)),
        S("loss", 2),
        S("backward", 90),
        S("update", 4),
    )


HOSTILE = (
    "<script>alert(1)</script>", '"]; evil [label="', "\\input{/etc/passwd}", "100 % $x$ {}#&~^_",
    "new\nline\r\ttab", "nul\0 \x1b[31m\x7f", "]]> --> |", "end", "日本語の名前がとても長い場合",
    "🚀 emoji 👩\u200d👩\u200d👧", "العربية اسم", "\u202eevil\u202c", "a" * 200, "", "`code` 'quote' ;",
    "\\N \\G \\E", "&amp; &#x41;", "É ü ñ ž ß",
)  # fmt: skip


def _thirty() -> tuple[S, ...]:
    plain = [S(f"stage_{n:02d}", 1 + (n * 7 % 11) ** 2) for n in range(1, 25)]
    group = S("forward", 2, tuple(S(f"layer_{n}", 10 + 3 * n) for n in range(6)))
    return (*plain[:10], group, *plain[10:])


def _hostile() -> tuple[L, ...]:
    last = S(HOSTILE[9], 3, tuple(S(name, 2) for name in HOSTILE[10:]))
    return (
        L('<b>&"lane"]\\', outside=(S("x\\", 4),)),
        L("train", 10, (*(S(name, 3 + at) for at, name in enumerate(HOSTILE[:9])), last)),
        L("Поток 🧵 ]]>", outside=(S("--> end", 4),), thread=True),
    )


def _threads() -> tuple[L, ...]:
    jpeg = S("decode", 5, (S("jpeg", 2, count=900),), count=900)
    return (
        SETUP, TRAIN, EVALUATE, L("export", outside=(S("checkpoint", 40, count=3), S("zip", 9))),
        L("loader-0", outside=(S("read", 2, count=900), S("decode", 5, count=900)), thread=True),
        L("loader-1", outside=(S("read", 2, count=900), jpeg), thread=True),
    )  # fmt: skip


def _wrapped() -> tuple[L, ...]:
    """Every lane too long for one row, first and last boxes in containers, a container over a turn."""
    many = tuple(S(f"part_{n}", 3 + n) for n in range(11))
    first = S("prepare", 4, (S("open", 3), S("inner", 1, (S("scan", 5), S("sort", 6)))))
    return (
        L("setup", outside=(first, *many, S("other", 9))),
        L("train", 30, (first, S("forward", 9, many), S("backward", 60), S("update", 5, (S("adam", 8),))),
          tuple(S(f"between_{n}", 2, count=3) for n in range(9))),
        L("evaluate", 20, (first, *many, S("last", 1, (S("sum", 2),)), S("other", 4)), (S("save", 3),)),
    )  # fmt: skip


def _parts() -> tuple[S, ...]:
    return (*(S(f"part_{n}", 5 * n, count=n) for n in range(1, 9)), FORWARD, S("other", 44))


_SHORT = (S("forward", 40), S("backward", 70), S("other", 3))

CASES: dict[str, Callable[[], Breakdown]] = {
    "lm": lambda: breakdown((SETUP, TRAIN, EVALUATE)),
    "lm_step": lambda: breakdown((SETUP, TRAIN, EVALUATE), by="step"),
    "one": lambda: breakdown((L("setup", outside=(S("corpus", 30),)), L("train", 50, (S("work", 40),)))),
    "two": lambda: breakdown((L("train", 50, _SHORT),), tokens=None),
    "three": lambda: breakdown((SETUP, L("train", 9, (S("get_batch", 9), *_SHORT)), EVALUATE)),
    "thirty": lambda: breakdown((SETUP, L("train", 400, _thirty()), EVALUATE)),
    "deep": lambda: breakdown((SETUP, L("train", 77, _deep()), EVALUATE)),
    "wrapped": lambda: breakdown(_wrapped()),
    "no_setup": lambda: breakdown((TRAIN, EVALUATE)),
    "no_evaluation": lambda: breakdown((SETUP, TRAIN)),
    "evaluation_only": lambda: breakdown((SETUP, EVALUATE)),
    "other_only": lambda: breakdown((L("train", 8, (S("other", 7),)),)),
    "no_steps": lambda: breakdown(
        (L("setup", outside=(S("load", 100), S("other", 3))), L("main", outside=_parts())), tokens=None
    ),
    "no_steps_step": lambda: breakdown((L("main", outside=_parts()),), by="step", tokens=None),
    "hostile": lambda: breakdown(_hostile()),
    "threads": lambda: breakdown(_threads()),
    "empty_lane": lambda: breakdown((L("setup"), L("train", 4), L("evaluate"))),
    "nothing": lambda: breakdown(()),
}
"""Every kind of loop that a flow chart has to survive."""
