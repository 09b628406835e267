"""The stage-only trace: what writing spans down costs, how large the file is, what stays in memory.

    python benchmarks/stage_trace.py [--rounds 200] [--steps 100000] [--long 1000000] [--quick]

Costs are ratios of neighbours in time. Sizes are those of steps whose stages have the lengths of a
language model's, with log-normal noise.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import tracemalloc
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

from bounds import resident
from measure import Timed, interleaved, machine, ratio

import rnnprof
from rnnprof import marks
from rnnprof.recorder.spans import SpanLog
from rnnprof.testing import FakeClock
from rnnprof.traces import stage_trace

STAGES_NS = {
    "get_batch": 30_000,
    "repackage": 8_000,
    "zero_grad": 20_000,
    "forward": 4_100_000,
    "loss": 600_000,
    "backward": 9_000_000,
    "clip": 400_000,
    "update": 700_000,
}


def begun(log: SpanLog, **options: Any) -> tuple[Any, Any]:
    """A profile that records, and its track, of which the spans are written down."""
    prof = rnnprof.profile(None, warmup=0, control_every=0, **options).start()
    track = prof._recorder.track()
    log.attach(track, "main")
    return prof, track


def steps_of_eight(prof: Any, track: Any, row: Any, inside: bool) -> Timed:
    """Steps of eight stages; nanoseconds for each stage.

    Args:
        prof: what records.
        track: its track.
        row: the log of the track, or None.
        inside: count only what is between the two ends of a step, and not what is between steps.
    """
    names = tuple(STAGES_NS)

    def timed(count: int) -> float:
        track.flush()
        track.log = row
        spent, begin = 0, perf_counter_ns()
        for _ in range(count // 8):
            with prof.step():
                start = perf_counter_ns()
                for name in names:
                    with prof.stage(name):
                        pass
                spent += perf_counter_ns() - start
        track.flush()
        return (spent if inside else perf_counter_ns() - begin) / count

    return timed


def costs(rounds: int, count: int) -> None:
    """Print what a stage costs with a log and without, in turn."""
    log = SpanLog()
    prof, track = begun(log)
    row = track.log
    print(f"\nA stage of eight in a step, {rounds} rounds of {count:,}; marks in C: {marks.NATIVE}")
    for inside, what in ((True, "inside steps alone"), (False, "with all between steps")):
        found = interleaved(
            {
                "off": steps_of_eight(prof, track, None, inside),
                "off again": steps_of_eight(prof, track, None, inside),
                "on": steps_of_eight(prof, track, row, inside),
            },
            rounds,
            count,
        )
        print(f"  {what}: off {statistics.median(found['off']):.0f} ns")
        for name in ("off again", "on"):
            middle, low, high = ratio(found[name], found["off"])
            more = statistics.median(found[name]) - statistics.median(found["off"])
            print(f"    {name:10s} x {middle:.3f}  ({low:.3f} to {high:.3f})  {more:+.0f} ns")
    prof.stop()
    log.close()


def sizes(steps: int, file: Path) -> None:
    """Print the size of the file for steps of several lengths."""
    print(f"\n{steps:,} steps of eight stages with log-normal noise, on disk:")
    for scale in (0.1, 1, 20):
        dice, clock, log = random.Random(1), FakeClock(), SpanLog()
        prof, _ = begun(log, clock=clock)
        for _ in range(steps):
            with prof.step():
                for name, ns in STAGES_NS.items():
                    with prof.stage(name):
                        clock.advance(round(dice.lognormvariate(0, 0.12) * ns * scale))
                    clock.advance(dice.randrange(200, 900))
        prof.stop()
        log.close()
        start = perf_counter()
        size = stage_trace.write(log, file)
        took = perf_counter() - start
        print(
            f"  steps of {clock.now() / steps / 1e6:6.2f} ms: {size / 1e6:.2f} MB, {size / log.kept:.2f} B"
            f" a span, one of {log.every} windows; in {took:.1f} s; {held(log) / 1e6:.2f} MB held"
        )


def held(log: SpanLog) -> int:
    """Bytes of all chunks."""
    return sum(len(chunk.data) for stream in log.streams() for chunk in stream.chunks)


def memory(steps: int, file: Path) -> None:
    """Print what is held on the way through a long run, and the most that writing needs."""
    log = SpanLog()
    prof, _ = begun(log)
    print(f"\n{steps:,} steps of eight stages as fast as they go:")
    for number in range(1, steps + 1):
        with prof.step():
            for name in STAGES_NS:
                with prof.stage(name):
                    pass
        if number in (10, steps // 20, steps // 10, steps // 4, steps // 2, steps):
            print(
                f"  {number:>10,} steps: resident {resident() / 2**20:7.2f} MiB, {log.kept:>9,} spans kept in"
                f" {held(log) / 1e6:5.2f} MB, one of {log.every} windows"
            )
    prof.stop()
    log.close()
    tracemalloc.start()
    size = stage_trace.write(log, file)
    most = tracemalloc.get_traced_memory()[1]
    print(f"  written: {size / 1e6:.2f} MB, with {most / 1e6:.2f} MB of memory at most")
    tracemalloc.stop()


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100_000, help="in the file whose size is printed")
    parser.add_argument("--long", type=int, default=1_000_000, help="steps of the run that must stay bounded")
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.steps, options.long = 5, 1000, 2000
    costs(options.rounds, 8192)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stages.trace.json.gz"
        sizes(options.steps, file)
        memory(options.long, file)
    # Last, since it imports torch.
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
