"""All models of the example in all precisions: step time, top stage, and operations per second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import rnnprof

from .bench import Bench, Findings, between, ms, percent, reason, table
from .readings import compared, flops, means, notes, shares, steps_of, top
from .training import DEFAULT, MODELS, TINY, Training, plain_ns, run

HEAD = (
    "model",
    "precision",
    "step without marks, ms",
    "by events, ms",
    "event / sync",
    "top by events",
    "top by host",
    "GFLOP",
    "TFLOP/s",
)


def measure(bench: Bench) -> Findings:
    """One run with every clock for each model and precision."""
    found = Findings("Models and precisions")
    precisions = ("fp32", "bf16", "fp16") if bench.fp16 else ("fp32", "bf16")
    each = bench.seconds * 0.8 / len(MODELS) / len(precisions)
    rows = []
    for model in MODELS:
        for precision in precisions:
            try:
                rows.append(_one(bench, found, model, precision, each))
            except RuntimeError as error:
                # A card or a torch without the kernel: the other models are worth having.
                found.failed[f"{model}-{precision}"] = reason(error)
            bench.card.clear()
    sizes = TINY if bench.tiny else DEFAULT
    found.text += [
        f"Sizes of each: {sizes}, with the model exchanged; bf16 and fp16 by autocast, no scaling of the "
        "loss. Shares are of the step by the same clock; operations by the run's probe, matrix products, "
        "recurrent layers and attention, over the step by events.",
        table(
            HEAD,
            rows,
        ),
    ]
    return found


def _one(bench: Bench, found: Findings, model: str, precision: str, seconds: float) -> list[str]:
    sizes = replace(TINY if bench.tiny else DEFAULT, model=model)
    work = Training(sizes, bench.card, precision=precision)
    run(work, bench.some(10, 1))
    step_ns = plain_ns(work, bench.some(30, 1))
    steps = bench.steps_in(seconds * 0.6, step_ns, 80, 1_500)
    name = f"{model}-{precision}"
    with bench.profile(name, clock="auto", probe=True) as prof:
        run(work, steps, prof)
        bench.card.synchronize()
    saved = rnnprof.load(bench.folder / f"{name}.json")
    event, by_event, by_host = means(saved, "event"), shares(saved, "event"), shares(saved, "host")
    ratio, work_done = compared(saved, "step", "event", "sync"), flops(saved)
    # Nanoseconds into operations of 1e12 a second.
    speed = None if work_done is None or not event else work_done / event["step"] / 1e3
    loss = float(work.losses)
    if precision != "fp16" and not loss < float("inf"):
        found.flags.append(f"{name}: the losses are no numbers")
    found.data[name] = {
        "sizes": str(sizes),
        "steps": {kind: steps_of(saved, kind).series.count for kind in ("event", "sync", "host")},
        "plain_ns": step_ns,
        "event_ns": event,
        "host_share": by_host,
        "event_over_sync": ratio,
        "flops": work_done,
        "tflops_per_second": speed,
        "notes": notes(saved),
    }
    return [
        model,
        precision,
        ms(step_ns),
        ms(event.get("step")),
        between(ratio),
        _named(by_event),
        _named(by_host),
        "–" if work_done is None else f"{work_done / 1e9:.3g}",
        "–" if speed is None else f"{speed:.3g}",
    ]


def _named(found: dict[str, Any]) -> str:
    """The stage on top with its share."""
    name = top(found)
    return f"{name} {percent(found[name])}" if name else "–"
