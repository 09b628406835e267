"""Loops on the simulated accelerator, from their marks to the sentence that a reader gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rnnprof
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.clocked import ClockReport
from rnnprof.testing import FakeClock, FakeDevice
from tests.clocked_run import verdicts

KERNELS = {"forward": 90, "loss": 5, "backward": 140, "clip": 6, "update": 11}
"""Kernels in each stage, of 0.1 ms each."""


class Loop:
    """A training loop; its host needs 5 µs for each launch."""

    def __init__(self, kernel_ns: int = 100_000, launch_ns: int = 5_000, queue: int | None = None) -> None:
        self.clock = FakeClock()
        self.device = FakeDevice(self.clock, launch_ns=launch_ns, queue=queue)
        self.kernel_ns = kernel_ns

    def run(self, waits: str = "", fetch_ns: int = 0, asked: str = "auto", steps: int = 180) -> ClockReport:
        """Train, and report; the host waits in one stage, and works for so long on every batch."""
        with rnnprof.profile(None, clock=asked, device=self.device) as prof:
            for _ in range(steps):
                with prof.step():
                    with prof.stage("get_batch"):
                        self.clock.advance(fetch_ns)
                    for name, kernels in KERNELS.items():
                        with prof.stage(name):
                            for _ in range(kernels):
                                self.device.launch(self.kernel_ns)
                            if name == waits:
                                self.device.read()
        found = breakdown(prof.run).clocks
        assert found is not None
        return found


def test_the_artefact_of_the_k80() -> None:
    found = Loop().run(waits="clip")
    assert found.sentence == (
        "The host's clock blames clip (95.1 % of the step), wrongly: on the device it takes 2.4 %, and most "
        "goes to backward (55.5 %), for which the host's clock shows 2.8 %."
    )
    assert found.bound.verdict == "device"
    assert verdicts(found) == {
        "forward": "device", "loss": "device", "backward": "device", "clip": "waits", "update": "device",
    }  # fmt: skip
    shares = {row.name: row.event.share for row in found.stages if row.event}
    for name, kernels in KERNELS.items():
        assert shares[name] == pytest.approx(kernels / sum(KERNELS.values()), abs=0.001)


def test_a_launch_bound_loop() -> None:
    found = Loop(kernel_ns=2_000, launch_ns=8_000).run()
    assert found.bound.sentence == (
        "The step is launch-bound: the host takes as long as the device, also where nothing is queued "
        "before it."
    )
    assert verdicts(found) == dict.fromkeys(KERNELS, "launch")
    assert found.differs is False
    assert found.sentence.startswith("The host's clock and the device's agree that backward takes most")


def test_a_full_queue_is_not_launching() -> None:
    """Nothing waits but the launches, of kernels that are all alike: the hardest loop to tell."""
    for kernel_ns in (8_500, 10_000, 16_000):
        found = Loop(kernel_ns=kernel_ns, launch_ns=8_000, queue=1_024).run()
        assert found.bound.verdict != "launch"
        assert "launch" not in verdicts(found).values()
    assert Loop(kernel_ns=40_000, launch_ns=8_000, queue=1_024).run().bound.verdict == "device"


def test_fetching_that_hides_behind_the_device() -> None:
    found = Loop().run(waits="update", fetch_ns=9_000_000)
    assert verdicts(found)["update"] == "waits"
    # The device has nothing queued while a batch is fetched: it waits, and its clock shows it.
    assert verdicts(found).get("get_batch") is None
    found = Loop(queue=1_024).run(fetch_ns=9_000_000)
    assert verdicts(found)["get_batch"] == "hidden"
    assert found.bound.verdict == "device"


@pytest.mark.parametrize(
    ("asked", "kinds", "words"),
    [
        ("sync", ["sync"], "With synchronization backward (55."),
        ("event", ["event"], "On the device backward (55."),
    ],
)
def test_a_pinned_clock_says_what_it_lacks(asked: str, kinds: list[str], words: str) -> None:
    found = Loop().run(waits="clip", asked=asked)
    assert [column.kind for column in found.columns] == kinds
    assert found.sentence.startswith(words)
    assert found.sentence.endswith('would have blamed is not known: record it with clock="auto".')


def test_the_hosts_clock_pinned_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Callable[..., Any] = Loop().run
    monkeypatch.setattr("rnnprof.environment.at_end", lambda: {"device": "Tesla K80"})
    found = loop(waits="clip", asked="host")
    assert found.sentence.startswith("Only the host's clock timed these steps")
    assert [column.kind for column in found.columns] == ["host"]
    assert verdicts(found) == {}
