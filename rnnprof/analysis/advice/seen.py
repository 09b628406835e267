"""What a check asks of the anatomy before it looks: whether the look that it needs was made."""

from __future__ import annotations

from rnnprof.analysis.advice.case import Abstain, Case
from rnnprof.anatomy import Anatomy


def seen(case: Case, field: str) -> Anatomy:
    """How the probed step is built, if one part of it was looked at.

    Args:
        case: the run under examination.
        field: the part, a field of `Anatomy`.

    Raises:
        Abstain: no step was probed, or this part of it was not looked at.
    """
    anatomy = case.anatomy
    for name, reason in anatomy.missing:
        if name == field:
            raise Abstain(f"The probe could not look: {reason.rstrip('.')}.")
    return anatomy
