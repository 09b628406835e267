"""Draws the pictures of docs/asynchronous.md, from a simulated device: python draw.py

Every block is a span that `rnnprof.testing` timed, and every bar a share that rnnprof recorded.
"""

from __future__ import annotations

import runpy
import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import rnnprof
from rnnprof.testing import FakeClock, FakeDevice

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "asynchronous.py"
COLORS = {
    "forward": "#4477aa",
    "backward": "#66ccee",
    "clip": "#ee6677",
    "update": "#ccbb44",
    "loss": "#aa3377",
    "zero_grad": "#228833",
}
OTHERS = "#bbbbbb"
WIDTH, LEFT, RIGHT, ROW, GAP, TOP = 760, 92, 16, 34, 16, 44
FONT = "font-family='Helvetica, Arial, sans-serif'"

KERNELS = {"forward": (11, 11, 11), "backward": (16, 16, 16, 16), "clip": (3, 3), "update": (5, 5)}
"""How long each kernel of a small step runs, in units of time."""


class Block(NamedTuple):
    """A coloured block of a row: when, of which stage, and whether the host only waits in it."""

    stage: str
    begin: int
    end: int
    waits: bool = False


Rows = dict[str, list[Block]]


def step(launch: int, kernels: Callable[[str], Sequence[int]], at_marks: bool) -> Rows:
    """Simulate one step.

    Args:
        launch: what a launch costs the host.
        kernels: how long the kernels of a stage run.
        at_marks: whether the host waits for the device at every mark.

    Returns:
        What host and device do, block by block.
    """
    clock = FakeClock()
    device = FakeDevice(clock, launch_ns=launch)
    host: list[Block] = []
    work: list[Block] = []

    def wait(stage: str) -> None:
        began = clock.now()
        device.synchronize()
        if clock.now() > began:
            host.append(Block(stage, began, clock.now(), waits=True))

    for stage in KERNELS:
        began = clock.now()
        for ns in kernels(stage):
            kernel = device.launch(ns)
            assert kernel is not None
            work.append(Block(stage, kernel.begins, kernel.ends))
        host.append(Block(stage, began, clock.now()))
        if stage == "clip" or at_marks:
            wait(stage)
    wait("end")
    return {"host": host, "device": work}


def timeline(title: str, rows: Rows, scale: float) -> str:
    """Host and device, one above the other, on one axis of time.

    Args:
        title: what is said above.
        rows: the blocks of each row.
        scale: pixels for each unit of time.
    """
    parts = []
    for number, (name, blocks) in enumerate(rows.items()):
        y = TOP + number * (ROW + GAP)
        parts.append(_text(8, y + ROW / 2 + 5, name))
        for block in blocks:
            color = COLORS.get(block.stage, OTHERS)
            x, width = LEFT + block.begin * scale, (block.end - block.begin) * scale
            fill = f"fill='{color}'" if not block.waits else f"fill='{color}' fill-opacity='0.25'"
            dashes = " stroke-dasharray='4 3'" if block.waits else ""
            parts.append(
                f"<rect x='{x:.1f}' y='{y}' width='{max(width, 1):.1f}' height='{ROW}' {fill} "
                f"stroke='{color if block.waits else '#ffffff'}'{dashes}/>"
            )
            if block.waits and width > 60:
                parts.append(_text(x + width / 2, y + ROW / 2 + 5, "the host waits", "middle", 12))
    return _picture(title, parts, TOP + 2 * ROW + GAP, tuple(KERNELS))


def bars(title: str, columns: dict[str, dict[str, float]]) -> str:
    """The shares of the stages, one bar for each clock.

    Args:
        title: what is said above.
        columns: shares by stage, by the name of the clock.
    """
    parts = []
    width = WIDTH - LEFT - RIGHT
    for number, (name, shares) in enumerate(columns.items()):
        x, y = float(LEFT), TOP + number * (ROW + GAP)
        parts.append(_text(8, y + ROW / 2 + 5, name))
        for stage, share in shares.items():
            color = COLORS.get(stage, OTHERS)
            size = share * width
            place = f"x='{x:.1f}' y='{y}' width='{size:.1f}' height='{ROW}'"
            parts.append(f"<rect {place} fill='{color}' stroke='#ffffff'/>")
            if size > 40:
                parts.append(_text(x + size / 2, y + ROW / 2 + 5, f"{100 * share:.0f} %", "middle", 12))
            x += size
    stages = list(dict.fromkeys(stage for shares in columns.values() for stage in shares))
    return _picture(
        title, parts, TOP + len(columns) * (ROW + GAP) - GAP, [*(s for s in stages if s in COLORS)]
    )


def _picture(title: str, parts: list[str], bottom: int, stages: Sequence[str]) -> str:
    y = bottom + 30
    x = float(LEFT)
    legend = []
    for stage in stages:
        legend.append(f"<rect x='{x:.0f}' y='{y - 11}' width='13' height='13' fill='{COLORS[stage]}'/>")
        legend.append(_text(x + 18, y, stage, size=13))
        x += 34 + 8 * len(stage)
    height = y + 16
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' "
            f"height='{height}'>",
            f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
            _text(8, 24, title, size=15),
            *parts,
            *legend,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, words: str, anchor: str = "start", size: int = 14) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' text-anchor='{anchor}' fill='#222222'>"
        f"{escape(words)}</text>"
    )


def recorded() -> dict[str, dict[str, float]]:
    """The example's shares under each clock, as rnnprof recorded them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.json")
        runpy.run_path(str(EXAMPLE))["main"](str(file))
        clocks = rnnprof.load(file)
    lane = clocks.lane("train")
    assert lane is not None
    found = {}
    for kind, name in (("host", "time.time()"), ("sync", "waiting"), ("event", "events")):
        steps = lane.steps[kind]
        found[name] = {stage.name: stage.series.total_ns / steps.series.total_ns for stage in steps.stages}
    return found


def main() -> None:
    """Draw them all, beside this file."""
    behind = step(1, KERNELS.__getitem__, at_marks=False)
    waiting = step(1, KERNELS.__getitem__, at_marks=True)
    small = step(12, lambda stage: [3] * len(KERNELS[stage]), at_marks=False)
    # The first two on one scale, so that the longer step is seen to be longer.
    scale = _scale(waiting)
    pictures = {
        "behind": timeline("The device works behind the host's back; the host waits in clip", behind, scale),
        "waiting": timeline("Waiting at every mark: each stage is right, the step is longer", waiting, scale),
        "launch_bound": timeline("Launch-bound: the device waits for the host", small, _scale(small)),
        "shares": bars("One run, three clocks (examples/asynchronous.py)", recorded()),
    }
    for name, picture in pictures.items():
        (HERE / f"{name}.svg").write_text(picture, encoding="utf-8")


def _scale(rows: Rows) -> float:
    """Pixels for each unit of time, so that the rows fill the width."""
    return (WIDTH - LEFT - RIGHT) / max(block.end for blocks in rows.values() for block in blocks)


if __name__ == "__main__":
    main()
