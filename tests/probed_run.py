"""The word language model's run with its probe, made by hand."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from rnnprof.model import Run
from rnnprof.probes import Memory, Path, Place, Probe, ProbedStage, Work
from tests.capture_builder import trace_of
from tests.probe_builder import A100, wait_of
from tests.run_builder import WORD_STAGES, lane_of, steps_of, word_language_model, word_step

MIB = 1 << 20
MEASURED = {"flops": {"float32": 6e12}, "bytes": 6e10}
"""Peaks of a processor, as an environment holds them."""

# Float32 operations, bytes and calls of the operators of each stage.
WORK: dict[Path, tuple[int, int, int]] = {
    ("get_batch",): (0, 11_200, 3),
    ("zero_grad",): (0, 0, 11),
    ("forward", "encoder"): (0, 1_130_000, 2),
    ("forward", "rnn"): (448_000_000, 12_400_000, 562),
    ("forward", "decoder"): (9_320_000_000, 17_400_000, 4),
    ("loss",): (0, 40_000_000, 2),
    ("backward",): (19_500_000_000, 112_000_000, 353),
    ("clip",): (0, 21_200_000, 23),
    ("update",): (0, 31_800_000, 11),
}
MEMORY: dict[Path, tuple[int, int, int, int]] = {
    (): (0, 1 * MIB, 190 * MIB, 64 * MIB),
    ("forward",): (1 * MIB, 96 * MIB, 97 * MIB, 64 * MIB),
    ("forward", "rnn"): (2 * MIB, 20 * MIB, 24 * MIB, 0),
    ("forward", "decoder"): (22 * MIB, 75 * MIB, 75 * MIB, 0),
    ("loss",): (97 * MIB, 4096, 75 * MIB, 0),
    ("backward",): (97 * MIB, -95 * MIB, 93 * MIB, 0),
    ("clip",): (2 * MIB, 0, 100, 0),
    ("update",): (2 * MIB, -512, 0, 0),
}
"""Before, growth, peak above the beginning, and reserved growth of each stage."""


def probe_of(device: str = "cpu", **changed: Any) -> Probe:
    """The probed step of the word language model.

    Args:
        device: what it computed on; waits have times unless it is ``cpu``.
        changed: what is other than usual.
    """
    own = {(): 27_000, **dict(WORD_STAGES)}
    stages = [
        ProbedStage(path, 1, 2 * sum(ns for other, ns in own.items() if other[: len(path)] == path))
        for path in own
    ]
    on_device = device != "cpu"
    place = f"{device}:0" if on_device else "cpu"
    waits = (
        wait_of(193, ("loss",), waited_ns=21_400_000 if on_device else None),
        wait_of(
            181, ("clip",), way="clip", call="clip_grad_norm_", library="clip_grad.py:59", count=2,
            source="torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip, error_if_nonfinite=True)",
            waited_ns=1_200_000 if on_device else None,
        ),
    )  # fmt: skip
    memory = [
        Memory(path, place, before, growth, peak, reserved if on_device else None)
        for path, (before, growth, peak, reserved) in MEMORY.items()
    ]
    memory += [Memory((), "resident", 0, 3 * MIB, None, None)]
    floats = [Work(path, "float32", *numbers) for path, numbers in WORK.items()]
    total = 40 << 30 if on_device else None
    held = 500 * MIB if on_device else None
    begin = 310 * MIB if on_device else None
    given: dict[str, Any] = {
        "step": 9,
        "device": device,
        "total_ns": stages[0].total_ns,
        "stages": tuple(stages),
        "waits": waits,
        "work": (*floats, Work(("get_batch",), "int64", 0, 22_400, 2)),
        "memory": tuple(memory),
        "places": (Place(place, begin, held, total), Place("resident", 900 * MIB, None, 16 << 30)),
    }
    return Probe(**(given | changed))


def probed_language_model(**changed: Any) -> Run:
    """The run on a CPU of which the peaks were measured."""
    run = word_language_model()
    environment = {**run.environment, "peaks": MEASURED}
    return replace(run, **({"environment": environment, "probe": probe_of()} | changed))


def probed_on_device(trace: bool = False, **changed: Any) -> Run:
    """The run on a card that is ten times as fast, timed by events, and traced where that is asked for."""
    run, dice = word_language_model(), random.Random(5)
    steps = {"event": steps_of([word_step(dice, slower=0.1) for _ in range(64)])}
    properties = {"device": A100["name"], "device_properties": A100, "cudnn_tf32": True}
    busy = {path: ns // 5 for path, ns in [((), 27_000), *WORD_STAGES]}
    given: dict[str, Any] = {
        "lanes": (run.lanes[0], lane_of("train", steps, unclaimed=2_900_000)),
        "environment": {**run.environment, **properties},
        "probe": probe_of("cuda"),
        "traces": (trace_of(busy, device=True),) if trace else (),
    }
    return replace(run, **(given | changed))
