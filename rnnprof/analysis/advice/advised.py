"""The result of `advise`: what would make the training faster, or right, best first."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 5
"""Findings that a report shows."""


@dataclass(frozen=True)
class Finding:
    """One thing to change.

    Args:
        key: its name, such as ``detach``; the same in every version.
        title: what is the matter, one line without a full stop.
        evidence: sentences with the figures that show it.
        change: sentences: what to write instead.
        check: sentences: how to see whether it helped.
        saving: the part of a step's time that it can save at most (Amdahl's law: as if what it
            concerns took no time any more); None where that cannot be told.
        percent: the same as printed; ``–`` where it cannot be told.
        bound: what the bound rests on, one sentence.
        file: source file of the place; empty where it is not known.
        line: its line, from 1; 0 where it is not known.
        source: that line of the program; empty where it is not at hand.
        stage: the stage's path; empty for the whole step, and where it is not known.
        urgent: whether it comes first, whatever it saves: the run fails, or goes on getting slower.
    """

    key: str
    title: str
    evidence: str
    change: str
    check: str
    saving: float | None = None
    percent: str = "–"
    bound: str = ""
    file: str = ""
    line: int = 0
    source: str = ""
    stage: tuple[str, ...] = ()
    urgent: bool = False


@dataclass(frozen=True)
class Silent:
    """A check that could not be made.

    Args:
        key: the finding's that it would have led to.
        reason: what is missing, one sentence.
    """

    key: str
    reason: str


@dataclass(frozen=True)
class Advice:
    """All findings.

    Args:
        sentence: how many there are, or that there is none, in one sentence; empty where no check could
            be made.
        findings: best first: urgent ones, then by saving, then those whose saving is not known.
        shown: how many a report shows; the others are in JSON and where advice alone is asked for.
        checked: keys of the checks that were made.
        silent: checks that could not be made.
    """

    sentence: str
    findings: tuple[Finding, ...]
    shown: int
    checked: tuple[str, ...]
    silent: tuple[Silent, ...]
