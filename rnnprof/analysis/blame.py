"""One sentence: which stage the host's clock blamed, and which it should have blamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnprof import units
from rnnprof.analysis.clocked import ClockTime, StepBound
from rnnprof.captures import Path
from rnnprof.stages import OTHER

NAMED = 3
"""Stages that are named where several may be the longest."""
OVERBILLED = 0.05
"""How far above its true share a stage must be by the host's clock to be named for it."""

PLACES = {"event": "on the device", "sync": "with synchronization"}
OWNERS = {"event": "the device's", "sync": "the synchronized one"}
AUTO = 'record it with clock="auto"'

Times = Mapping[Path, ClockTime]


def blame(
    times: Mapping[str, Times], truth: str, bound: StepBound, asked: str, missed: bool, traced: bool
) -> tuple[str, bool | None]:
    """Say which stage the host's clock blamed, and which it should have blamed.

    A stage may be the longest if its share's interval reaches into that of the longest one.

    Args:
        times: the stages under each clock.
        truth: the clock to trust; empty without one.
        bound: what limits the step.
        asked: the clock that was asked for.
        missed: whether events miss some of the device's work.
        traced: whether a trace tells what the device did.

    Returns:
        The sentence, and whether the two differ; None where that cannot be told.
    """
    host = times.get("host", {})
    if not truth:
        return _no_truth(times, asked, missed, traced), None
    right = times[truth]
    true_top = longest(right)
    takes = f"{PLACES[truth]} {_list(true_top, right)} takes most" if true_top else ""
    if not host:
        found = f"{takes[0].upper()}{takes[1:]}; what" if takes else "What"
        more = "record more steps" if asked == "auto" else AUTO
        return f"{found} the host's clock would have blamed is not known: {more}.", None
    top = longest(host)
    if not top or not takes:
        lacking = "the host's clock" if not top else f"{OWNERS[truth]} clock".replace("one clock", "one")
        return f"Too few steps were timed by {lacking} to tell which stage it blames: record more.", None
    if not {*top} & {*true_top}:
        return _differ(top, true_top, host, right, truth, bound), True
    if top == true_top and len(top) == 1:
        one = top[0]
        words = f"The host's clock and {OWNERS[truth]} agree that {_name(one)} takes most of the step "
        words += f"({host[one].percent} and {right[one].percent})"
        others = {path: time for path, time in host.items() if path != one}
        return f"{words}{_overbilled(others, right, truth)}.", False
    words = f"The host's clock blames {_list(top, host)}; {takes}: no difference shown"
    return f"{words}{_overbilled(host, right, truth)}.", None


def longest(times: Times) -> list[Path]:
    """The stages that may have the largest share.

    Args:
        times: the stages under one clock.

    Returns:
        Their paths, the largest first; none where there is no interval to tell.
    """
    order = sorted(times, key=lambda path: -(times[path].share or 0))
    top = times[order[0]].share_interval if order else None
    if top is None:
        return []
    return [path for path in order if path == order[0] or _end(times[path], 1) >= top[0]]


def _differ(
    top: Sequence[Path], true_top: Sequence[Path], host: Times, right: Times, truth: str, bound: StepBound
) -> str:
    # Where the device waits for the host, the host's time is what the step takes.
    wrongly = "" if bound.verdict == "launch" else ", wrongly"
    one = len(top) == 1
    truly = _both([_percent(path, right) for path in top[:NAMED]])
    seen = _both([_percent(path, host) for path in true_top[:NAMED]])
    return (
        f"The host's clock blames {_list(top, host, ' of the step')}{wrongly}: {PLACES[truth]} "
        f"{'it takes' if one else 'they take'} {truly}, and most goes to {_list(true_top, right)}, "
        f"for which the host's clock shows {seen}."
    )


def _overbilled(host: Times, right: Times, truth: str) -> str:
    """A stage that does not take most by either clock, but far more by the host's."""
    apart = {path: _end(host[path], 0) - _end(right[path], 1) for path in host if path in right}
    worst = max(apart, key=lambda path: apart[path], default=None)
    if worst is None or apart[worst] < OVERBILLED or host[worst].share_interval is None:
        return ""
    return (
        f", but {_name(worst)} is {host[worst].percent} by the host's clock and {right[worst].percent} "
        f"{PLACES[truth]}"
    )


def _no_truth(times: Mapping[str, Times], asked: str, missed: bool, traced: bool) -> str:
    if "event" in times and missed:
        return f"Events saw only a part of what the device did, and no step was synchronized: {AUTO}."
    if "event" in times or "sync" in times:
        return "The device did nothing in these steps that a clock could see."
    more = "record more steps, and let the program use the accelerator before the first one"
    more = more if asked == "auto" else AUTO
    if "host" not in times:
        return f"No step was timed by a clock: {more}."
    words = "Only the host's clock timed these steps, and on an accelerator it proves nothing: it bills "
    words += "queued work to the stage that waits for it. "
    words += "The traced steps show what the device did; for what it does" if traced else "For the truth"
    return f"{words}{' untraced' if traced else ''}, {more}."


def _end(one: ClockTime, end: int) -> float:
    return (one.share or 0.0) if one.share_interval is None else one.share_interval[end]


def _percent(path: Path, times: Times) -> str:
    return times[path].percent if path in times else "0 %"


def _name(path: Path) -> str:
    return units.visible("/".join(path)) if path else OTHER


def _list(paths: Sequence[Path], times: Times, of: str = "") -> str:
    """Stages with their shares: ``clip (30.1 %) or update (29.5 %)``."""
    named = [f"{_name(path)} ({times[path].percent}{of})" for path in paths[:NAMED]]
    if len(paths) > NAMED:
        named.append(f"{len(paths) - NAMED} more")
    return " or ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _both(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
