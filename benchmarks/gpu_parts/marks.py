"""What one mark costs where the device keeps the time, against recording a bare event."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from measure import interleaved, median_with_interval, ratio

from rnnprof import active
from rnnprof.clocks import EventPool, SyncClock
from rnnprof.marks import Mark

from .bench import Bench, Findings, between, table
from .training import STAGES

COUNT = 400
"""Events of one turn: fewer than a stream holds before it makes the host wait."""


def measure(bench: Bench) -> Findings:
    """Nanoseconds of each mark, and its ratio to `torch.cuda.Event.record`."""
    found = Findings("What a mark costs on the device's path")
    pool = EventPool(bench.card.device())
    variants: dict[str, Callable[[int], float]] = {
        "a bare event, recorded": _bare(bench),
        "an event mark: taken from the pool, recorded": _pooled(bench, pool),
        "synchronize on an idle device, bare": _waits(bench, bench.card.synchronize),
        "a sync mark on an idle device": _waits(bench, SyncClock(bench.card.device()).now),
    }
    sync = bench.profile(clock="sync", warmup=0, control_every=0).start()
    # Both are open at once; the marks without a profile's name act on the second one.
    active.deactivate(sync)
    with bench.profile(clock="event", warmup=0, control_every=0) as prof:
        variants |= {
            "a stage by synchronizing, on an idle device: two marks": _stages(bench, sync),
            "a stage by events: two marks": _stages(bench, prof),
            "a boundary mark by events": _boundaries(bench, prof),
            "a step of nine stages by events, each stage": _steps(bench, prof),
        }
        count = bench.some(COUNT, 10)
        interleaved(variants, 1, count)
        turn = sum(interleaved(variants, 1, count)[name][0] for name in variants) * count
        times = interleaved(variants, bench.steps_in(bench.seconds * 0.5, 2 * turn, 10, 300), count)
    sync.stop()
    bare = times["a bare event, recorded"]
    rows = []
    for name, values in times.items():
        micro, over = median_with_interval([value / 1e3 for value in values]), ratio(values, bare)
        rows.append([name, between(micro, 2), between(over, 2)])
        found.data[name] = {"us": micro, "over_bare_event": over}
    found.text += [
        f"Host time, {len(bare)} rounds of {count}, in random order; the device is idle before each.",
        table(["", "µs (95 %)", "over a bare event"], rows),
    ]
    return found


def _bare(bench: Bench) -> Callable[[int], float]:
    """The least that anyone's own timing by events costs: one that exists is recorded."""
    events = [bench.card.event() for _ in range(COUNT)]

    def timed(count: int) -> float:
        bench.card.synchronize()
        chosen = events[:count]
        start = perf_counter_ns()
        for event in chosen:
            event.record()
        return (perf_counter_ns() - start) / count

    return timed


def _pooled(bench: Bench, pool: EventPool) -> Callable[[int], float]:
    def timed(count: int) -> float:
        bench.card.synchronize()
        taken: list[Any] = []
        keep, mark = taken.append, pool.mark
        start = perf_counter_ns()
        for _ in range(count):
            keep(mark())
        took = (perf_counter_ns() - start) / count
        bench.card.synchronize()
        for event in taken:
            pool.give_back(event)
        return took

    return timed


def _waits(bench: Bench, wait: Callable[[], Any]) -> Callable[[int], float]:
    def timed(count: int) -> float:
        bench.card.synchronize()
        start = perf_counter_ns()
        for _ in range(count):
            wait()
        return (perf_counter_ns() - start) / count

    return timed


def _stages(bench: Bench, prof: Any) -> Callable[[int], float]:
    def timed(count: int) -> float:
        bench.card.synchronize()
        with prof.step():
            start = perf_counter_ns()
            for _ in range(count // 2):
                with prof.stage("forward"):
                    pass
            return (perf_counter_ns() - start) / (count // 2)

    return timed


def _boundaries(bench: Bench, prof: Any) -> Callable[[int], float]:
    one, other = Mark("forward"), Mark("backward")

    def timed(count: int) -> float:
        bench.card.synchronize()
        with prof.step():
            start = perf_counter_ns()
            for _ in range(count // 2):
                one()
                other()
            return (perf_counter_ns() - start) / (count // 2 * 2)

    return timed


def _steps(bench: Bench, prof: Any) -> Callable[[int], float]:
    """Whole steps, with all that is done between them."""

    def timed(count: int) -> float:
        bench.card.synchronize()
        steps = max(count // 20, 1)
        start = perf_counter_ns()
        for _ in range(steps):
            with prof.step(tokens=700):
                for name in STAGES:
                    with prof.stage(name):
                        pass
        return (perf_counter_ns() - start) / steps / len(STAGES)

    return timed
