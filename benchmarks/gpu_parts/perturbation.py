"""What each clock costs the step, against the program without rnnprof.

All variants are in one process, in blocks of steps in random order; the device is waited for only
at the ends of a block. Each round has two blocks without rnnprof: their ratio shows what the card
and the machine do by themselves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from measure import interleaved, median_with_interval, ratio

from rnnprof import active

from .bench import Bench, Findings, Interval, between, ms, percent, table
from .training import DEFAULT, TINY, Sizes, Training, plain_ns, run

CLOCKS = ("host", "sync", "event", "auto")
JUDGED = ("event", "auto")
GOAL, SHORT_GOAL = 0.01, 0.05
SHORT_NS = (1.2e6, 1.6e6)
SHORT = Sizes(emsize=96, nhid=96, nlayers=1, vocabulary=1_000)
BLOCK = 48
"""Steps of a block: three times those in which each kind of step comes up."""


def measure(bench: Bench) -> Findings:
    """The ratio of each clock's step to the plain one, on the default size and on a short step."""
    found = Findings("What each clock costs a step")
    _one(bench, found, TINY if bench.tiny else DEFAULT, "the default size", bench.seconds * 0.45, GOAL)
    bench.card.clear()
    short, reached = _short(bench)
    _one(bench, found, short, "a step near 1.4 ms", bench.seconds * 0.4, SHORT_GOAL)
    if not reached:
        found.flags.append(f"no size found with a step of 1.2 to 1.6 ms; the nearest: {short}")
    bench.card.clear()
    _probe(bench, found)
    return found


def _one(bench: Bench, found: Findings, sizes: Sizes, what: str, seconds: float, goal: float) -> None:
    work = Training(sizes, bench.card)
    run(work, bench.some(20, 1))
    step_ns = plain_ns(work, bench.some(50, 1))
    block = bench.some(BLOCK, 2)
    profiles = {clock: bench.profile(clock=clock) for clock in CLOCKS}
    for prof in profiles.values():
        prof.start()
        # All of them are open at once; which one the marks in the model act on is chosen by block.
        active.deactivate(prof)
    variants: dict[str, Callable[[int], float]] = {
        "without rnnprof": lambda count: plain_ns(work, count),
        "without rnnprof, again": lambda count: plain_ns(work, count),
        **{clock: _timed(work, prof) for clock, prof in profiles.items()},
    }
    rounds = bench.steps_in(seconds, step_ns * 1.1 * len(variants) * block, 8 if not bench.tiny else 3, 400)
    try:
        # The first round of all: pools are filled, and the warmup of the schedule is over.
        interleaved(variants, 1, block)
        times = interleaved(variants, rounds, block)
    finally:
        for prof in profiles.values():
            prof.stop()
    plain, again = times.pop("without rnnprof"), times.pop("without rnnprof, again")
    base = [(one + other) / 2 for one, other in zip(plain, again, strict=True)]
    control = ratio(again, plain)
    rows = [["without rnnprof, again (the control)", ms(statistics.median(again)), between(control, 4), ""]]
    ratios: dict[str, Interval] = {}
    for clock, values in times.items():
        ratios[clock] = ratio(values, base)
        verdict = _judged(ratios[clock], goal) if clock in JUDGED else ""
        rows.append([clock, ms(statistics.median(values)), between(ratios[clock], 4), verdict])
        if verdict == "no":
            found.flags.append(
                f"{what}, clock {clock}: {between(ratios[clock], 4)}, beyond {percent(goal, 0)}"
            )
    found.text += [
        f"{what.capitalize()}: {sizes}; {ms(statistics.median(base))} ms without rnnprof, {rounds} rounds of "
        f"{block} steps of each variant. Medians over the rounds, ratios with 95 % intervals:",
        table(
            ["clock", "step, ms", "over the step without rnnprof", f"at most {percent(goal, 0)} more"], rows
        ),
    ]
    found.data[what] = {
        "sizes": str(sizes),
        "rounds": rounds,
        "block": block,
        "plain_ns": statistics.median(base),
        "control": control,
        "ratios": ratios,
    }


def _timed(work: Training, prof: Any) -> Callable[[int], float]:
    """Train under an open profile; nanoseconds of a step, from an idle device to an idle device."""

    def timed(count: int) -> float:
        active.activate(prof)
        try:
            work.card.synchronize()
            start = time.perf_counter_ns()
            run(work, count, prof)
            work.card.synchronize()
            return (time.perf_counter_ns() - start) / count
        finally:
            active.deactivate(prof)

    return timed


def _judged(found: Interval, goal: float) -> str:
    if found[2] <= 1 + goal:
        return "yes"
    return "no" if found[1] > 1 + goal else "not resolved"


# ---- a short step ------------------------------------------------------------------------------


def _short(bench: Bench) -> tuple[Sizes, bool]:
    """Sizes at which the plain step takes 1.2 to 1.6 ms on this card, and whether it does."""
    if bench.tiny:
        return replace(TINY, bptt=3), True
    low, high = 1, 2
    while high < 4096 and _step(bench, high) < SHORT_NS[0]:
        low, high = high, high * 2
    nearest = (float("inf"), high)
    for _ in range(9):
        middle = (low + high) // 2
        took = _step(bench, middle)
        nearest = min(nearest, (abs(took - 1.4e6), middle))
        if SHORT_NS[0] <= took <= SHORT_NS[1]:
            return replace(SHORT, bptt=middle), True
        if high - low <= 1:
            break
        low, high = (middle, high) if took < SHORT_NS[0] else (low, middle)
    return replace(SHORT, bptt=nearest[1]), False


def _step(bench: Bench, bptt: int) -> float:
    work = Training(replace(SHORT, bptt=bptt), bench.card)
    run(work, 20)
    return statistics.median(plain_ns(work, 30) for _ in range(3))


# ---- the probe ---------------------------------------------------------------------------------


def _probe(bench: Bench, found: Findings) -> None:
    """What the probe costs, once in a run: its step, and the whole run's beginning and end."""
    sizes = TINY if bench.tiny else DEFAULT
    steps: list[float] = []
    others: list[float] = []
    whole: dict[bool, list[float]] = {True: [], False: []}
    looked = False
    for turn in range(bench.some(4, 2)):
        for probed in (True, False):
            work = Training(sizes, bench.card)
            run(work, bench.some(5, 1))
            began, stamps = time.perf_counter_ns(), []
            with bench.profile("probe", clock="event", probe=probed) as prof:
                for _ in range(12):
                    bench.card.synchronize()
                    stamps.append(time.perf_counter_ns())
                    run(work, 1, prof)
                bench.card.synchronize()
                stamps.append(time.perf_counter_ns())
            whole[probed].append(float(time.perf_counter_ns() - began))
            spans = [float(after - before) for before, after in pairwise(stamps)]
            probe = getattr(prof.run, "probe", None)
            if probe is not None:
                looked = True
                # The first run in a process loads what the probe is made of.
                if turn:
                    steps.append(spans[probe.step])
                    others.append(statistics.median(spans[5:]))
    if not looked:
        found.flags.append("the run has no probe: its cost is not measured")
        return
    more = [a - b for a, b in zip(whole[True], whole[False], strict=True)]
    step, other, all_of_it = (median_with_interval(each) for each in (steps, others, more[1:] or more))
    found.text.append(
        f"The probe looks into one step of the warmup. That step, with all that is done around it: "
        f"{ms(step[0])} ms, where an unwatched one takes {ms(other[0])} ms. A run of 12 steps with it takes "
        f"{ms(all_of_it[0])} ms more than one without ({ms(more[0])} ms more the first time in a process)."
    )
    found.data["probe"] = {"step_ns": steps, "other_step_ns": others, "whole_more_ns": more}
