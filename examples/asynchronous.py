"""A word language model on a slow accelerator, simulated: which stage does each clock blame?

    python asynchronous.py && rnnprof report --clocks asynchronous.json

No GPU is needed, and nothing sleeps: `rnnprof.testing` tells the time. The device is about as slow as
a K80, a step takes 0.1 s on it, and the host runs far ahead of it, until something on the device is
read. That is where the host's clock finds all the time that forward and backward took.
"""

from __future__ import annotations

import sys

import rnnprof
from rnnprof.testing import FakeClock, FakeDevice

US = 1_000  # nanoseconds
WORDS, LAYERS, PARAMETERS = 35, 2, 11

clock = FakeClock()
# A launch costs the host 6 µs; 1,024 kernels may be queued before it waits.
device = FakeDevice(clock, launch_ns=6 * US, queue=1024, resolution_ns=500)


def host(us: int) -> None:
    """Let Python work for so many microseconds."""
    clock.advance(us * US)


def kernels(us: int, count: int = 1) -> None:
    """Launch so many kernels, each of which keeps the device busy for so many microseconds."""
    for _ in range(count):
        device.launch(us * US)


def train_step(step: int) -> None:
    """One step of the loop, as the real one is written by hand."""
    with rnnprof.stage("get_batch"):
        host(10)
        kernels(8, 2)
    with rnnprof.stage("repackage"):
        host(5)
    with rnnprof.stage("zero_grad"):
        kernels(35, PARAMETERS)
    with rnnprof.stage("forward"):
        kernels(150)  # the embedding
        kernels(380, WORDS * LAYERS)
        kernels(900)  # the decoder
    with rnnprof.stage("loss"):
        kernels(400, 2)
    with rnnprof.stage("backward"):
        kernels(1_800)
        kernels(430, WORDS * LAYERS * 2)
        kernels(300)
    with rnnprof.stage("clip"):
        kernels(80, PARAMETERS)  # the norm of each gradient
        device.read()  # `if norm > clip:` needs a number, so the host waits for all of the above
        kernels(110, PARAMETERS)
    with rnnprof.stage("update"):
        for _ in range(PARAMETERS):
            device.read()  # the learning rate is a tensor on the device: `add_(grad, alpha=rate)` reads it
            kernels(220)
    with rnnprof.stage("log"):
        host(2)
        if step % 200 == 0:
            device.read()  # `loss.item()`
            host(50)


def main(path: str = "asynchronous.json", steps: int = 405) -> None:
    """Train for so many steps, and save the run.

    Args:
        path: the run file.
        steps: how many; the first five are the warmup.
    """
    with rnnprof.profile(path, clock="auto", device=device) as prof:
        for step in range(steps):
            with prof.step(tokens=20 * WORDS):
                train_step(step)
    print(f"{steps} steps, {clock.now() / 1e9:.1f} s on a simulated device: rnnprof report --clocks {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
