"""Pairs of runs for the renderers of comparisons: a slower stage, a new and a gone one, hostile names."""

from __future__ import annotations

import random

from rnnprof.analysis.compare import compare
from rnnprof.analysis.compared import Comparison
from rnnprof.model import Run
from tests.noisy_runs import run_with, white
from tests.run_builder import Path, lane_of, run_of, steps_of, word_step

EVIL = "\x1b[2J[red]a|b`c`\n<script>alert(1)</script>\u202egnp.exe & *x* =1+1"


def language_model(seed: int, after: bool) -> Run:
    """A word language model; after the change backward is slower, clip is gone, and a log is new."""
    dice, steps = random.Random(seed), []
    for _ in range(300):
        step: dict[Path, list[int]] = word_step(dice, ("clip",) if after else ())
        more = step[("backward",)][0] * 12 // 100 if after else 0
        step[("backward",)][0] += more
        step[()][0] += more
        if after:
            step[("log",)] = [300_000]
            step[()][0] += 300_000
        steps.append(step)
    number = "2.14.0" if after else "2.13.0"
    command = ["main.py", "--model", "LSTM", "--emsize", "256" if after else "128"]
    environment = {"device": "cpu", "torch": number, "python": "3.11.7", "command": command}
    return run_of([lane_of("train", {"host": steps_of(steps, tokens=700)})], environment=environment)


BEFORE, AFTER = language_model(1, False), language_model(2, True)
FOUND = compare(BEFORE, AFTER)


def hostile() -> tuple[Run, Comparison]:
    """A pair whose stages, command and device have names that are made to do harm."""
    runs = []
    for seed in (1, 2):
        dice = random.Random(seed)
        spans = [round(1e6 * part) for part in white(dice, 50)]
        steps = steps_of([{(EVIL,): [span], (EVIL, "=x"): [span // 2], (): [span + 9]} for span in spans])
        environment = {"device": "cpu", "command": [EVIL, str(seed)], "git": EVIL * seed}
        runs.append(run_of([lane_of(EVIL, {"host": steps})], environment=environment))
    return runs[1], compare(*runs)


def lonely() -> Comparison:
    """A comparison of steps without stages, and too few for an interval, by force."""
    pair = [
        run_with(steps_of([{(): [round(1e6 * part)]} for part in white(random.Random(seed), 3)]))
        for seed in (1, 2)
    ]
    return compare(pair[0], pair[1], force=True)
