"""To be written."""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case


def drift(case: Case) -> Iterable[Finding]:
    raise Abstain("Not yet.")


def memory_growth(case: Case) -> Iterable[Finding]:
    raise Abstain("Not yet.")
