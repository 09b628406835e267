"""The word language model's run with its traces, made by hand."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from rnnprof.model import Run
from tests.capture_builder import functions_of, trace_of
from tests.run_builder import WORD_STAGES, lane_of, steps_of, word_language_model, word_step


def traced_language_model(device: bool = False, **changed: Any) -> Run:
    """The same run, in which torch.profiler watched three steps and cProfile sixteen."""
    run, dice = word_language_model(), random.Random(11)
    train = run.lanes[1]
    own = {(): 27_000, **dict(WORD_STAGES)}
    step = {path: [sum(own[other] for other in own if other[: len(path)] == path)] for path in own}
    kinds = {
        "trace": steps_of([step] * 3),
        "cprofile": steps_of([word_step(dice, slower=1.3) for _ in range(16)]),
    }
    lane = lane_of("train", {**train.steps, **kinds}, train.stages, 2_900_000)
    given: dict[str, Any] = {
        "lanes": (run.lanes[0], lane, run.lanes[2]),
        "traces": (trace_of(own, device=device),),
        "functions": functions_of(own),
    }
    return replace(run, **(given | changed))
