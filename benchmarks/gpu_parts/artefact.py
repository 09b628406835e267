"""The well-known artefact: by a host clock, clipping and the update take most of a step.

On a K80, with `time.time()` between the stages, they seemed to. `clip_grad_norm_` read the norm on
the host at that time, so that it waited for all that had been queued before it. That of today does
not wait; the ones that do are measured beside it.
"""

from __future__ import annotations

from typing import Any

from .bench import Bench, Findings, percent, table
from .readings import KINDS, notes, shares, steps_of, top
from .training import CLIPS, DEFAULT, STAGES, TINY, Sizes, Training, plain_ns, run

LARGER = Sizes(emsize=650, nhid=650)
"""The medium size of the example's ancestors, where the default one does not keep the card busy."""


def measure(bench: Bench) -> Findings:
    """Shares of the stages by `time.time()`, and by each clock of one run, for each way to clip."""
    found = Findings("The artefact, by every clock")
    for sizes in (TINY,) if bench.tiny else (DEFAULT, LARGER):
        seen = [_one(bench, found, sizes, clip) for clip in CLIPS]
        # The first way to clip waits for nothing: nothing is to be reproduced with it.
        if any(seen[1:]):
            return found
        found.flags.append(f"not reproduced with {sizes}: the device does not lag behind the host there")
    return found


def _one(bench: Bench, found: Findings, sizes: Sizes, clip: str) -> bool:
    """Measure one way to clip; whether the host clock blames another stage than the device's."""
    work = Training(sizes, bench.card, CLIPS[clip])
    run(work, bench.some(10, 1))
    step_ns = plain_ns(work, bench.some(20, 1))
    steps = bench.steps_in(bench.seconds / 12, step_ns, 64, 2_000)
    by_hand = _by_hand(bench, work, bench.steps_in(bench.seconds / 24, step_ns, 8, 500))
    with bench.profile(clock="auto") as prof:
        run(work, steps, prof)
        bench.card.synchronize()
    columns = {"time.time() by hand": by_hand, **{kind: shares(prof.run, kind) for kind in KINDS}}
    tops = {name: top(column) for name, column in columns.items()}
    late = {name: column.get("clip", 0.0) + column.get("update", 0.0) for name, column in columns.items()}
    rows = [[stage, *(percent(column.get(stage)) for column in columns.values())] for stage in STAGES]
    rows.append(["clip and update together", *(percent(late[name]) for name in columns)])
    rows.append(["stage on top", *tops.values()])
    found.text += [
        f"Clipping: {clip}. {sizes}; a step of {step_ns / 1e6:.2f} ms without marks, {steps} steps, of them "
        + ", ".join(f"{steps_of(prof.run, kind).series.count} {kind}" for kind in KINDS)
        + ". Shares of a step:",
        table(["stage", *columns], rows),
    ]
    apart = tops["host"] != tops["event"]
    if apart:
        found.text.append(
            f"The host clock blames {tops['host']}; by the device's own time it is {tops['event']}. "
            f"Clipping and the update: {percent(late['time.time() by hand'])} by hand, "
            f"{percent(late['event'])} by events."
        )
    data: dict[str, Any] = {"sizes": str(sizes), "step_ns": step_ns, "steps": steps, "shares": columns}
    found.data.setdefault(clip, []).append({**data, "top": tops, "apart": apart, "notes": notes(prof.run)})
    bench.card.clear()
    return apart


def _by_hand(bench: Bench, work: Training, steps: int) -> dict[str, float]:
    """The share of each stage as `time.time()` around it says, without rnnprof."""
    seconds = dict.fromkeys(STAGES, 0.0)
    bench.card.synchronize()
    run(work, steps, seconds)
    bench.card.synchronize()
    whole = sum(seconds.values())
    return {stage: spent / whole for stage, spent in seconds.items()} if whole else {}
