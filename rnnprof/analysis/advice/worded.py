"""Advice in words, as every report, the tab and ``rnnprof run`` say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis.advice.advised import Advice, Finding
from rnnprof.analysis.functions import short_files

TITLE = "What to change"
"""What stands above the findings."""

AMDAHL = "At most: an upper bound by Amdahl's law, as if what it concerns took no time any more."
"""Said of the first saving."""


@dataclass(frozen=True)
class Worded:
    """A finding in words. They may hold names of the program's that are not yet fit to print.

    Args:
        title: what is the matter, and what changing it can save.
        lines: sentences: the evidence, the place, what to try, how to check it.
    """

    title: str
    lines: tuple[str, ...]


def worded(advice: Advice, whole: bool = False) -> tuple[Worded, ...]:
    """Say the findings.

    Args:
        advice: all findings.
        whole: whether to say all of them, and what each bound rests on.

    Returns:
        As many as a report shows, best first, unless it is to be all.
    """
    said = advice.findings if whole else advice.findings[: advice.shown]
    short = short_files({one.file for one in said})
    first = next((one for one in said if one.saving is not None), None)
    return tuple(Worded(_title(one), _lines(one, short, one is first, whole)) for one in said)


def unchecked(advice: Advice) -> tuple[str, ...]:
    """Say which checks could not be made: one sentence for all that lack the same."""
    reasons: dict[str, list[str]] = {}
    for one in advice.silent:
        reasons.setdefault(one.reason, []).append(one.key)
    return tuple(f"{', '.join(keys)}: {reason}" for reason, keys in reasons.items())


def most_urgent(advice: Advice) -> str:
    """The title and the place of the most urgent finding, fit to print; empty where none is urgent."""
    one = next((one for one in advice.findings if one.urgent), None)
    if one is None:
        return ""
    place = _place(one, short_files({one.file}))
    return units.visible(f"{one.title} ({place})" if place else one.title)


def _title(one: Finding) -> str:
    said = ["urgent"] if one.urgent else []
    said += [f"saves at most {one.percent} of a step"] if one.saving is not None else []
    return f"{one.title} ({', '.join(said)})" if said else one.title


def _lines(one: Finding, short: Mapping[str, str], first: bool, whole: bool) -> tuple[str, ...]:
    where = ": ".join(filter(None, (_place(one, short), one.source)))
    said = (
        AMDAHL if first else "",
        one.evidence,
        where and f"Where: {where}",
        # Not beside the place: what a line in forward makes may take its time in backward.
        f"Time: in the stage {'/'.join(one.stage)}" if one.stage else "",
        one.change and f"Try: {one.change}",
        one.check and f"Check: {one.check}",
        one.bound and f"Bound: {one.bound}" if whole else "",
    )
    return tuple(filter(None, said))


def _place(one: Finding, short: Mapping[str, str]) -> str:
    if not one.file:
        return ""
    return f"{short[one.file]}:{one.line}" if one.line else short[one.file]
