"""Events against synchronizing against the kernels themselves, stage by stage of the same run."""

from __future__ import annotations

from measure import median_with_interval

import rnnprof

from .bench import Bench, Findings, Interval, between, ms, percent, table
from .readings import compared, kernels, means, notes, over, steps_of
from .training import DEFAULT, STAGES, TINY, Sizes, Training, plain_ns, run

WIDE = Sizes(emsize=1024, nhid=1024, batch=64)
"""A model whose kernels are long: nothing of a step is launching alone."""
GOAL = 0.02
WINDOW = 6
HEAD = (
    "stage",
    "event",
    "sync",
    "busy",
    "busy and gaps",
    "share by events",
    "event / sync",
    "event / (busy and gaps)",
    f"within {percent(GOAL, 0)}",
)


def measure(bench: Bench) -> Findings:
    """Each stage's time by events, over that by synchronizing and that of its kernels and gaps."""
    found = Findings("Events against synchronizing against kernels")
    for sizes in (TINY,) if bench.tiny else (DEFAULT, WIDE):
        _one(bench, found, sizes, bench.seconds / 2.5)
        bench.card.clear()
    return found


def _one(bench: Bench, found: Findings, sizes: Sizes, seconds: float) -> None:
    work = Training(sizes, bench.card)
    run(work, bench.some(10, 1))
    step_ns = plain_ns(work, bench.some(20, 1))
    windows = bench.some(6, 2)
    # Starting and stopping torch's profiler takes longer than the steps that it watches.
    steps = bench.steps_in(seconds / 2, 1.3 * step_ns, 80, 2_500)
    traced = [20 + (steps - 30) * turn // windows + i for turn in range(windows) for i in range(WINDOW)]
    name = f"agreement-{sizes.nhid}"
    tracing = rnnprof.Tracing(steps=traced, stages=False)
    with bench.profile(name, clock="auto", control_every=8, trace=tracing, probe=False) as prof:
        run(work, steps, prof)
        bench.card.synchronize()
    saved = rnnprof.load(bench.folder / f"{name}.json")
    by = {kind: means(saved, kind) for kind in ("event", "sync")}
    looked = [kernels(trace) for trace in saved.traces]
    rows, data = [], {}
    for stage in (*STAGES, "step"):
        event, sync = by["event"].get(stage, 0.0), by["sync"].get(stage, 0.0)
        inside = [one[stage] for one in looked if stage in one]
        busy_ns = [busy for _, busy, _ in inside]
        whole_ns = [busy + gaps for _, busy, gaps in inside]
        traced_ratio = _middle(over(whole_ns, event))
        ratios = {"sync": compared(saved, stage, "event", "sync"), "kernels": traced_ratio}
        shown = [ms(event), ms(sync), ms(_mean(busy_ns)), ms(_mean(whole_ns)), percent(_of(event, by))]
        rows.append([stage, *shown, between(ratios["sync"]), between(ratios["kernels"]), _judged(ratios)])
        data[stage] = {"event_ns": event, "sync_ns": sync, "busy_ns": busy_ns, "busy_and_gaps_ns": whole_ns}
        data[stage] |= {f"event_over_{name}": ratio for name, ratio in ratios.items()}
        found.flags += [
            f"{sizes.nhid} wide, {stage}: event / {name} is {between(ratio)}, beyond {percent(GOAL, 0)}"
            for name, ratio in ratios.items()
            if _beyond(ratio)
        ]
    counts = ", ".join(f"{steps_of(saved, kind).series.count} {kind}" for kind in by)
    found.text += [
        f"{sizes}; a step of {step_ns / 1e6:.2f} ms without marks, {steps} steps ({counts}; "
        f"{len(saved.traces)} windows of {WINDOW} traced). Milliseconds of a step; ratios with 95 % "
        "intervals: of batch means for synchronizing, over the windows for kernels. What is traced is "
        "slowed on the host, so that gaps grow where a stage is mostly launching.",
        table(
            HEAD,
            rows,
        ),
    ]
    if not any(looked):
        found.flags.append(f"{sizes.nhid} wide: the trace has no kernels, nothing to compare with")
    found.data[str(sizes)] = {"steps": steps, "stages": data, "notes": notes(saved)}


def _mean(many: list[float]) -> float | None:
    return sum(many) / len(many) if many else None


def _middle(many: list[float]) -> Interval | None:
    return median_with_interval(many) if many else None


def _of(event: float, by: dict[str, dict[str, float]]) -> float | None:
    whole = by["event"].get("step")
    return event / whole if whole else None


def _beyond(ratio: Interval | None) -> bool:
    """Whether the ratio is surely not within the goal."""
    return ratio is not None and (ratio[1] > 1 + GOAL or ratio[2] < 1 - GOAL)


def _judged(ratios: dict[str, Interval | None]) -> str:
    known = [ratio for ratio in ratios.values() if ratio is not None]
    if not known:
        return "–"
    if any(_beyond(ratio) for ratio in known):
        return "no"
    return "yes" if all(abs(end - 1) <= GOAL for _, *ends in known for end in ends) else "not resolved"
