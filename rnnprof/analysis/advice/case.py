"""What a check of the advice is given: the run, its breakdown, and the parts that checks ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.result import Breakdown, StageRow
from rnnprof.anatomy import Anatomy
from rnnprof.model import Run
from rnnprof.network import Line
from rnnprof.vitals import Vitals

LEAST = 0.02
"""The smallest saving, as a part of a step, that is worth advice."""


COMPUTING = ("forward", "loss", "backward")
"""Stages whose time goes with the numbers that a model computes."""


class Abstain(Exception):
    """Raised by a check that lacks its signal; its text is one sentence that says what is missing."""


@dataclass(frozen=True)
class Case:
    """A run under examination.

    Args:
        run: the saved measurement.
        result: its breakdown by step.
    """

    run: Run
    result: Breakdown

    @property
    def anatomy(self) -> Anatomy:
        """How the probed step is built.

        Raises:
            Abstain: no step was probed, or by a version that did not look.
        """
        probe = self.run.probe
        if probe is None:
            raise Abstain("No step was looked at closely (no probe).")
        if probe.anatomy is None:
            raise Abstain("The probe did not look at how the step is built.")
        return probe.anatomy

    def seen(self, field: str) -> Anatomy:
        """How the probed step is built, if one part of it was looked at.

        Args:
            field: the part, a field of `Anatomy`.

        Raises:
            Abstain: no step was probed, or this part of it was not looked at.
        """
        anatomy = self.anatomy
        for name, reason in anatomy.missing:
            if name == field:
                raise Abstain(f"The probe has nothing on it: {reason.rstrip('.')}.")
        return anatomy

    @property
    def vitals(self) -> Vitals:
        """The process around the steps.

        Raises:
            Abstain: it was not looked at.
        """
        if self.run.vitals is None:
            raise Abstain("The process around the steps was not looked at.")
        return self.run.vitals

    @property
    def on_cpu(self) -> bool:
        """Whether the program computes on the CPU: by its probe, or else by its clocks and its machine."""
        if self.run.probe is not None:
            return self.run.probe.device == "cpu"
        device = str(self.run.environment.get("device", "cpu")).lower()
        return self.result.clocks is None and device.startswith("cpu")

    def number(self, fact: str) -> int | None:
        """A number above 0 that the environment holds; None for anything else, which a file may hold.

        Args:
            fact: its key, such as ``threads`` or ``cpus_usable``.
        """
        value = self.run.environment.get(fact)
        return value if type(value) is int and value > 0 else None

    @property
    def step_ns(self) -> float:
        """Mean time of a measured step of the training.

        Raises:
            Abstain: there is none.
        """
        step = self.result.step
        if step is None or not step.mean_ns:
            raise Abstain("No training step was measured.")
        return step.mean_ns

    @property
    def rows(self) -> tuple[StageRow, ...]:
        """The stages within the measured steps of the main lane, ``other`` among them."""
        step = self.result.step
        lane = step.lane if step else None
        return tuple(row for row in self.result.stages if row.in_step and row.lane == lane)

    def share(self, names: Iterable[str]) -> float | None:
        """The part of a step that stages of these names take, their child stages included.

        Args:
            names: stages' names, such as ``("clip",)``. One within another counts once.

        Returns:
            A fraction, or None where there is no such stage.
        """
        wanted = set(names)
        found = [
            row
            for row in self.rows
            if not row.remainder and row.name in wanted and not wanted & set(row.path[:-1])
        ]
        whole = self.step_ns
        return min(sum(row.per_step_ns for row in found) / whole, 1.0) if found else None

    def share_at(self, path: tuple[str, ...]) -> float | None:
        """The part of a step that one stage takes, its child stages included.

        Args:
            path: as in a row. Where the measured steps do not have it, the nearest stage around it counts.

        Returns:
            A fraction, or None where there is no such stage.
        """
        known = {row.path: row for row in self.rows if not row.remainder}
        while path and path not in known:
            path = path[:-1]
        return min(known[path].per_step_ns / self.step_ns, 1.0) if path else None


Check = Callable[[Case], Iterable[Finding]]
"""Gives the findings of one kind, without ``percent``; none where all is well. Raises `Abstain` where its
signal is missing."""


def at(line: Line | None) -> dict[str, Any]:
    """The fields of a `Finding` that name a place in the program: ``Finding(..., **at(line))``."""
    return {} if line is None else {"file": line.file, "line": line.line, "source": line.source}
