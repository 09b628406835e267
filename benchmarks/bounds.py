"""What does not grow: resident memory and the run file with the steps; and what starts fast.

python benchmarks/bounds.py [--steps 1000000]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from measure import machine

import rnnprof

STAGES = ("get_batch", "repackage", "zero_grad", "forward", "loss", "backward", "clip", "update")


def resident() -> int:
    """Resident memory in bytes, from Linux's /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grow(path: Path, steps: int, saving: bool) -> list[tuple[int, float, int]]:
    """Record a long run; return (step, resident MiB, bytes of the run file) on the way."""
    found = []
    with rnnprof.profile(path, save_every=0.2 if saving else 1e6) as prof:
        for number in range(1, steps + 1):
            with prof.step(tokens=700):
                for name in STAGES:
                    with prof.stage(name):
                        pass
            if number in (1_000, 10_000, 100_000, 1_000_000, 10_000_000) or number == steps:
                found.append((number, resident() / 2**20, path.stat().st_size))
    return found


def seconds(*command: str) -> float:
    """Median time of a command over seven runs."""
    times = []
    for _ in range(7):
        start = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(perf_counter() - start)
    return statistics.median(times)


def python(*arguments: str) -> Sequence[str]:
    """This interpreter with arguments."""
    return (sys.executable, *arguments)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        for saving in (False, True):
            print(
                "steps, resident memory, run file, " + ("saving all the while:" if saving else "recording:")
            )
            for steps, memory, size in grow(path, options.steps, saving):
                print(f"  {steps:>11,}  {memory:8.2f} MiB  {size / 1000:8.1f} kB")
        print(machine())
        bare = seconds(*python("-c", "pass"))
        imported = seconds(*python("-c", "import rnnprof"))
        print(f"import rnnprof adds {1000 * (imported - bare):.1f} ms to a start of {1000 * bare:.1f} ms")
        for form in ("text", "json", "svg"):
            took = seconds(*python("-m", "rnnprof", "report", str(path), "--format", form))
            print(f"rnnprof report --format {form}: {1000 * took:.0f} ms")


if __name__ == "__main__":
    main()
