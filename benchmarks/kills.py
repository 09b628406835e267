"""Kill recording processes at random moments; every run file that is left must load.

python benchmarks/kills.py [--runs 200]
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import machine

import rnnprof

LOOP = """
import sys, rnnprof
from rnnprof.testing import FakeClock
clock = FakeClock()  # by which saving takes no time, so that this loop does little else
with rnnprof.profile(sys.argv[1], clock=clock, save_every=1e-9, warmup=0) as prof:
    print("recording", flush=True)
    while True:
        with prof.step(tokens=5), prof.stage("forward"):
            clock.advance(200)
"""


def main() -> None:
    """Kill, load, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    dice = random.Random(0)
    loaded = steps = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.runs):
            path = Path(folder) / f"run{number}.json"
            loop = subprocess.Popen([sys.executable, "-c", LOOP, str(path)], stdout=subprocess.PIPE)
            assert loop.stdout is not None
            loop.stdout.readline()
            time.sleep(dice.random() * 0.2)
            loop.send_signal(signal.SIGKILL)
            loop.wait()
            loop.stdout.close()
            run = rnnprof.load(path)
            loaded += 1
            train = run.lane("train")
            steps += sum(found.series.count for found in train.steps.values()) if train else 0
    print(machine())
    print(
        f"{options.runs} runs killed with SIGKILL, {loaded} files loaded, {steps / loaded:.0f} steps in each"
    )


if __name__ == "__main__":
    main()
