"""Short ways to record with a clock under control, and to read what came of it."""

from __future__ import annotations

from typing import Any

import rnnprof
from rnnprof.model import Lane, Run, Series, Stage, walk
from rnnprof.testing import FakeClock


def profile(clock: FakeClock | str | int, **options: Any) -> Any:
    """A profile that saves nothing and measures every step."""
    return rnnprof.profile(None, **{"clock": clock, "warmup": 0, "control_every": 0, **options})


def lane(run: Run, name: str) -> Lane:
    """The lane of that name."""
    found = run.lane(name)
    assert found is not None, f"no lane {name} in {[one.name for one in run.lanes]}"
    return found


def tree(stages: tuple[Stage, ...]) -> dict[str, tuple[int, int]]:
    """Path to (count, total_ns), for stages and those inside them."""
    return {"/".join(path): (stage.series.count, stage.series.total_ns) for path, stage in walk(stages)}


def in_steps(run: Run, kind: str = "host", name: str = "train") -> dict[str, tuple[int, int]]:
    """The tree of stages inside steps."""
    return tree(lane(run, name).steps[kind].stages)


def outside(run: Run, name: str) -> dict[str, tuple[int, int]]:
    """The tree of stages outside steps."""
    return tree(lane(run, name).stages)


def steps(run: Run, kind: str = "host", name: str = "train") -> Series:
    """The steps of a kind."""
    return lane(run, name).steps[kind].series
