"""Sentences on what a reader should know before trusting the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.rows import Divided
from rnnprof.analysis.stats import MIN_BUCKETS
from rnnprof.model import Json, Run, walk
from rnnprof.stages import LEFT_OUT

CODES = {
    "aborted_steps": "Steps that an exception ended, left out: {count}.",
    "too_many_stages": "More than {limit} stages: the time of later ones is in the stage around them.",
    "unresolved_events": "Steps whose device events never happened, or could not be read, left out: {count}.",
    "captured_graph": "Steps in which a graph was recorded, left out: {count}. Nothing may be timed then.",
    "several_devices": "{count} devices were in use, and events of two cannot be compared: from then on "
    "steps waited for all of them at each mark, and those are shown.",
    "other_streams": "Other streams worked on after the current one for {share} of the time of steps that "
    "wait for the device, most in {stage}. Events miss that: with clock='auto' or 'sync' the steps that "
    "wait are shown.",
    "no_events": "Events on {device} cannot keep time ({reason}): steps waited for the device at each mark.",
    "device_failed": "The device failed, and was not asked again: {message}. Steps left out: {count}.",
    "late_device": "The program began to use an accelerator after its first step: times are the host's.",
    "dropped_spans": "Spans beyond the most that one step may hold, left out: {count}.",
    "save_failed": "The run could not be saved at least once: {message}.",
    "open_at_end": "Still open when the run was saved: {stages}.",
    "python_marks": "The compiled part of rnnprof is missing: stage marks cost more than they need to.",
    "no_step": "The program marked no step.",
    "cprofile_on": "cProfile slowed the whole run, Python calls most, so that shares lean to stages with "
    "many calls: for the shares, run again without it.",
    "cprofile_replaced": "The program started a profiler of its own: cProfile's figures end there.",
    "trace_incomplete": "Only {count} of {asked} steps were traced: the others never came, or did not "
    "end well.",
    "cprofile_lost": "cProfile's statistics could not be written: {message}.",
    "trace_limit": "No more than {limit} steps of a run are traced: {count} more were asked for.",
    "trace_failed": "torch.profiler failed: {message}.",
    "probe_failed": "No step could be looked at closely, or not wholly: {message}.",
}
"""What each code in a run's notes means; a sentence may use the note's other values."""

LEAVING_OUT = {
    "warmup": "{} warmup step{} left out.",
    "control": "{} control step{} left out (timed only at their two ends).",
    "trace": "{} step{} traced by torch.profiler left out.",
    "cprofile": "{} step{} watched by cProfile, stage by stage, left out.",
    "probe": "{} step{} looked at closely left out.",
}
"""What is said of each kind of step that is no measurement: how many, and the plural's s."""


def saved_notes(run: Run) -> list[str]:
    """Put a run's end, its rank and its saved notes into words.

    Args:
        run: the run.

    Returns:
        One sentence for each; a code that is not known is shown as it is.
    """
    notes = []
    if run.ended == "running":
        notes.append("The run had not ended when it was saved: it is still running, or it was killed.")
    elif run.ended == "EnoughSteps":
        notes.append("The program was ended after the steps that --max-steps asked for.")
    elif run.ended == "gave way":
        notes.append("The run ended where the program opened a profile of its own.")
    elif run.ended != "finished":
        notes.append(f"The run was ended by {run.ended}; everything up to then is shown.")
    if run.world_size > 1:
        notes.append(f"This is rank {run.rank} of {run.world_size} processes.")
    saved = list(run.notes)
    if run.functions is not None and not any(note.get("code") == "cprofile_on" for note in saved):
        saved.append({"code": "cprofile_on"})
    return notes + [_sentence(note) for note in saved]


def lane_notes(divided: Sequence[Divided], by: str) -> list[str]:
    """Say which steps the numbers come from and which they leave out, and where clocks disagree.

    Args:
        divided: the lanes with their rows.
        by: what 100 % is.

    Returns:
        One sentence for each thing to know.
    """
    notes = []
    for kind, words in LEAVING_OUT.items():
        number = sum(_steps(each, kind) for each in divided if each.kind != kind)
        if number:
            notes.append(words.format(f"{units.count(number)}", "s" * (number > 1)))
    if by == "run" and any(len(each.lane.steps) > 1 for each in divided):
        notes.append("In the time of the run, every kind of step is divided like the kind shown.")
    for each in divided:
        name = each.lane.name
        if each.kind in LEFT_OUT:
            notes.append(f"Only {each.kind} steps exist in {name}: they are shown.")
        if 0 < each.shown.series.count < MIN_BUCKETS:
            notes.append(f"Fewer than {MIN_BUCKETS} {each.kind} steps in {name}: no confidence intervals.")
        if each.exceeds:
            notes.append(f"Two clocks disagree in {name}: parts took longer than their whole.")
        notes += [
            f"{stage.name} contains steps: its median and 95th percentile include them, its total does not."
            for _, stage in walk(each.lane.stages)
            if any(inner.steps_ns for _, inner in walk((stage,)))
        ]
    if any(each.lane.thread for each in divided):
        notes.append("Threads run beside the main thread: they have no share of the run.")
    return notes


def _steps(each: Divided, kind: str) -> int:
    return each.lane.steps[kind].series.count if kind in each.lane.steps else 0


def _sentence(note: Json) -> str:
    """One saved note in words; whatever it holds, it never fails."""
    code = str(note.get("code", "note"))
    values = {key: _words(value) for key, value in note.items() if key != "code"}
    share = note.get("share")
    if isinstance(share, (int, float)) and 0 <= share < 1e6:
        values["share"] = units.fraction(share)
    try:
        return CODES[code].format(**values)
    except (KeyError, TypeError):
        details = ", ".join(f"{key} {value}" for key, value in values.items())
        return f"{code.replace('_', ' ')}: {details}." if details else f"{code.replace('_', ' ')}."


def _words(value: object) -> str:
    try:
        if isinstance(value, (list, tuple)):
            return ", ".join(str(part) for part in value)
        return units.count(value) if isinstance(value, int) else str(value)
    except (OverflowError, RecursionError, ValueError):
        # No number that was counted, and nothing that rnnprof wrote.
        return "?"
