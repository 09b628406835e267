"""Examine a run: every check in turn, and the findings ranked by what they could save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rnnprof.analysis.advice import (
    cells,
    crowding,
    detaching,
    drifting,
    filling,
    launching,
    layers,
    loading,
    numbers,
    remembering,
    stalling,
    sync_points,
    truncation,
    updating,
    vocabulary,
)
from rnnprof.analysis.advice.advised import MOST, Advice, Finding, Silent
from rnnprof.analysis.advice.case import LEAST, Abstain, Case, Check
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown
from rnnprof.model import Run
from rnnprof.runfile import Given, opened
from rnnprof.units import fraction

CHECKS: Mapping[str, Check] = {
    "detach": detaching.detach,
    "drift": drifting.drift,
    "memory_growth": remembering.memory_growth,
    "stalls": stalling.stalls,
    "sync": sync_points.sync,
    "launch": launching.launch,
    "cells": cells.cells,
    "one_chunk": layers.one_chunk,
    "fast_path": layers.fast_path,
    "input": loading.input,
    "workers": loading.workers,
    "padding": filling.padding,
    "ragged": filling.ragged,
    "vocabulary": vocabulary.vocabulary,
    "update_by_hand": updating.update_by_hand,
    "clip_by_hand": updating.clip_by_hand,
    "zero_fill": updating.zero_fill,
    "fused": updating.fused,
    "threads": crowding.threads,
    "denormals": numbers.denormals,
    "float64": numbers.float64,
    "bptt": truncation.bptt,
}
"""All checks, by the key of what they find."""

COVERS: Mapping[str, tuple[str, ...]] = {
    # A graph that grows makes steps slower and the last of them long, and takes memory.
    "detach": ("drift", "memory_growth", "stalls"),
    # In double precision an LSTM does not take oneDNN's way, which `float64` counts in.
    "float64": ("fast_path",),
    # What stands in line are the workers.
    "workers": ("threads",),
}
"""What a finding explains: findings of these keys say nothing more beside it."""


def advise(run: Given, result: Breakdown | None = None) -> Advice:
    """Examine a run.

    Args:
        run: the saved measurement, or the path of its file.
        result: its breakdown by step, where that is at hand.

    Returns:
        What to change, best first. A check without its signal says nothing, and is among ``silent``.

    Raises:
        RunFileError: the file is no run.
    """
    run = opened(run)
    case = Case(run, result if result is not None and result.by == "step" else breakdown(run))
    found: list[Finding] = []
    checked: list[str] = []
    silent: list[Silent] = []
    for key, check in CHECKS.items():
        try:
            found += check(case)
        except Abstain as reason:
            silent.append(Silent(key, str(reason)))
        else:
            checked.append(key)
    worth = [one for one in found if one.urgent or one.saving is None or one.saving >= LEAST]
    covered = {key for one in worth for key in COVERS.get(one.key, ())}
    kept = [one for one in worth if one.key not in covered]
    ranked = sorted(map(_printed, kept), key=lambda one: (not one.urgent, -(one.saving or 0.0)))
    return Advice(
        sentence=_sentence(len({one.key for one in ranked}), len(checked), len(silent)),
        findings=tuple(ranked),
        shown=min(len(ranked), MOST),
        checked=tuple(checked),
        silent=tuple(silent),
    )


def _printed(finding: Finding) -> Finding:
    if finding.saving is None:
        return finding
    saving = min(max(finding.saving, 0.0), 1.0)
    return replace(finding, saving=saving, percent=fraction(saving))


def examined(run: Run, by: str = "step") -> Breakdown:
    """Divide a run and examine it: what a report is made of.

    Args:
        run: the saved measurement.
        by: as in `breakdown`.

    Returns:
        The breakdown with its advice.

    Raises:
        UsageError: as `breakdown`.
    """
    result = breakdown(run, by)
    return replace(result, advice=advise(run, result))


def _sentence(found: int, checked: int, silent: int) -> str:
    if not checked:
        return ""
    unheard = f"; {silent} had no signal" if silent else ""
    made = f"{checked} check{'s' * (checked != 1)}"
    if not found:
        return f"{made} found nothing to change{unheard}."
    return f"{found} of {made} found something to change{unheard}."
