"""Time and an accelerator under control, for exact tests of rnnprof and of programs that use it.

Neither needs a GPU, and nothing sleeps: time passes when a test says so.

clock = FakeClock()
device = FakeDevice(clock, launch_ns=5_000)
with rnnprof.profile(None, clock="event", device=device, warmup=0, control_every=0) as prof:
    with prof.step():
        with prof.stage("forward"):
            device.launch(300_000)  # 0.3 ms on the device, 5 µs on the host
        with prof.stage("clip"):
            device.read()  # waits for the device, as .item() does

Without a device a clock is enough: ``profile(None, clock=clock)``, and ``clock.advance(100)`` in a
stage.
"""

from rnnprof.testing.clock import FakeClock
from rnnprof.testing.device import FakeDevice
from rnnprof.testing.graph import FakeGraph
from rnnprof.testing.stream import FakeEvent, FakeStream, Kernel

__all__ = ["FakeClock", "FakeDevice", "FakeEvent", "FakeGraph", "FakeStream", "Kernel"]
