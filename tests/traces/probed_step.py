"""One step under torch's profiler with shapes, and what is counted in it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnprof.probes import Work
from rnnprof.traces import events
from rnnprof.traces.labels import find
from rnnprof.traces.probe.work import work

FORWARD, BACKWARD = ("forward",), ("backward",)


def probe(torch: Any, folder: Path, **stages: Callable[[], Any]) -> tuple[tuple[Work, ...], tuple[str, ...]]:
    """Run each stage of one step under torch's profiler, and count.

    Args:
        torch: the module.
        folder: where the trace goes.
        stages: what runs, by the name of its stage.

    Returns:
        What :func:`rnnprof.traces.probe.work.work` returns.
    """
    label = torch._C._profiler._RecordFunctionFast
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            torch.autograd.profiler.profile(
                use_kineto=True, record_shapes=True, profile_memory=True
            ) as profiler,
            label("rnnprof/step"),
        ):
            for name, run in stages.items():
                with label(f"rnnprof/{name}"):
                    run()
        profiler.export_chrome_trace(str(folder / "probe.json"))
    names = {f"rnnprof/{name}": name for name in stages} | {"rnnprof/step": "ProfilerStep#7"}
    data = events.take_marks(events.read(folder / "probe.json"), names)
    return work(data, find(events.entries(data), [(name,) for name in stages], [7]))


def train(torch: Any, folder: Path, model: Callable[[], Any]) -> dict[str, int]:
    """Floating-point operations of the stages forward and backward of a model's output, summed up."""
    model()  # what torch sets up at the first call is no part of a step
    result: list[Any] = []
    rows, uncounted = probe(
        torch,
        folder,
        forward=lambda: result.append(model()),
        backward=lambda: result[0].sum().backward(),
    )
    assert uncounted == ()
    return {name: sum(row.flops for row in rows if row.path == (name,)) for name in ("forward", "backward")}


def flops(rows: tuple[Work, ...], path: tuple[str, ...], dtype: str) -> int:
    """Operations of one stage in one type of number."""
    return sum(row.flops for row in rows if (row.path, row.dtype) == (path, dtype))


def torchs_count(model: Callable[[], Any]) -> dict[str, int]:
    """What torch's own counter says of a model's forward and backward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    counted = {}
    with FlopCounterMode(display=False) as counter:
        output = model()
    counted["forward"] = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        output.sum().backward()
    counted["backward"] = counter.get_total_flops()
    return counted
