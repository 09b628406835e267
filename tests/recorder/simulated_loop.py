"""A word language model's training loop on the simulated accelerator, every kernel's time known.

It does what the real one does, in many small kernels: a few for each of 35 words in `forward`, twice
as many in `backward`, one or two for each parameter in `zero_grad`, `clip` and `update`. The gradient's
norm is read on the host, as `clip_grad_norm_` once did, and so is the learning rate, which lies on the
device (``add_(grad, alpha=rate)`` reads it for each parameter).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers import lane, profile

from rnnprof.model import Run
from rnnprof.testing import FakeClock, FakeDevice, FakeStream

US = 1_000
WORDS, LAYERS, PARAMETERS = 35, 2, 11
LAUNCH = 6 * US

KERNELS = {
    "get_batch": [10 * US] * 2,
    "repackage": [],
    "zero_grad": [40 * US] * PARAMETERS,
    "forward": [200 * US, *[350 * US, 150 * US] * WORDS * LAYERS, 900 * US],
    "loss": [400 * US, 250 * US],
    "backward": [800 * US, *[400 * US, 150 * US] * WORDS * LAYERS * 2, 300 * US],
    "clip": [100 * US] * PARAMETERS + [150 * US] * PARAMETERS,
    "update": [250 * US] * PARAMETERS,
    "log": [],
}
"""How long each kernel runs on a slow device, stage by stage, in nanoseconds."""
HOST = {"get_batch": 8 * US, "repackage": 5 * US, "log": 2 * US}
"""What the host does besides launching kernels, in nanoseconds."""

TRUTH = {name: sum(kernels) for name, kernels in KERNELS.items()}


class Loop:
    """The loop, and a count of what it did.

    Args:
        device: what it runs on.
        faster: by how much each kernel is shorter than on the slow device.
        reads: whether the gradient's norm and the learning rate are read.
    """

    def __init__(self, device: FakeDevice, faster: int = 1, reads: bool = True) -> None:
        self.device = device
        self.clock: FakeClock = device.clock
        self.faster = faster
        self.reads = reads
        self.steps = 0

    def launch(self, kernels: list[int]) -> None:
        """Launch kernels one after the other."""
        for ns in kernels:
            self.device.launch(ns // self.faster)

    def clip(self) -> None:
        """The norm of each gradient, all of them read as one, and each gradient scaled."""
        self.launch(KERNELS["clip"][:PARAMETERS])
        if self.reads:
            self.device.read()
        self.launch(KERNELS["clip"][PARAMETERS:])

    def update(self) -> None:
        """By hand, parameter by parameter."""
        for ns in KERNELS["update"]:
            if self.reads:
                self.device.read()
            self.launch([ns])

    def step(self, prof: Any, meanwhile: Callable[[str], object] = lambda name: None) -> None:
        """One step.

        Args:
            prof: the open profile.
            meanwhile: called at the end of each stage, inside it, with its name.
        """
        with prof.step(tokens=20 * WORDS):
            for name, kernels in KERNELS.items():
                with prof.stage(name):
                    self.clock.advance(HOST.get(name, 0))
                    own = getattr(self, name, None)
                    if own is not None:
                        own()
                    else:
                        self.launch(kernels)
                    meanwhile(name)
        self.steps += 1


def train(loop: Loop, asked: str, count: int, **options: Any) -> Run:
    """Run the loop for so many steps under a clock, and give what was recorded."""
    with profile(asked, device=loop.device, **options) as prof:
        for _ in range(count):
            loop.step(prof)
    run: Run = prof.run
    assert not noted(run)
    return run


def shares(run: Run, kind: str) -> dict[str, float]:
    """Each stage's share of the steps of a kind."""
    found = lane(run, "train").steps[kind]
    return {stage.name: stage.series.total_ns / found.series.total_ns for stage in found.stages}


def true_shares() -> dict[str, float]:
    """What the kernels' durations make of each stage, where the device never waits for the host."""
    whole = sum(TRUTH.values())
    return {name: ns / whole for name, ns in TRUTH.items()}


def ranked(found: dict[str, float]) -> list[str]:
    """The stages, the one with the largest share first."""
    return sorted(found, key=lambda name: -found[name])


def beside(device: FakeDevice, side: FakeStream, ns: int, wait: bool) -> None:
    """Launch a kernel on a side stream behind what is queued, and wait for it on the current one."""
    ready = device.event()
    device.record(ready)
    device.wait_event(ready, side)
    device.launch(ns, side)
    if wait:
        over = device.event()
        with device.using(side):
            device.record(over)
        device.wait_event(over)


def noted(run: Run) -> dict[str, Any]:
    """The run's notes by their code, but for the one that the compiled part is missing."""
    return {note["code"]: note for note in run.notes if note["code"] != "python_marks"}
