"""What a program says of its own success: numbers that its logs hold, epoch after epoch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnnprof.errors import UsageError

PERPLEXITY = "valid perplexity"
LONGEST = 2_000
"""Characters of a line that are looked at."""
MOST = 100_000
"""Values of one metric that are kept of a run."""

NUMBER = r"([-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+|inf(?:inity)?|nan)\b)"
_GAP = r"[\s:=]*(?:is\s+)?"
_VALID = re.compile(r"\bval(?:id(?:ation)?)?(?![a-z])", re.I)
_OTHER = re.compile(r"\b(?:train(?:ing)?|test)(?![a-z])", re.I)
_PPL = re.compile(rf"(?:ppl|perplexity){_GAP}{NUMBER}", re.I)
_LOSS = re.compile(rf"loss{_GAP}{NUMBER}", re.I)


@dataclass(frozen=True)
class Metric:
    """A number that is looked for.

    Args:
        name: of the column.
        pattern: what to look for; None for validation perplexity in its usual forms.
        more: whether more is better.
    """

    name: str
    pattern: re.Pattern[str] | None = None
    more: bool = False

    def values(self, lines: Iterable[str]) -> tuple[float, ...]:
        """All values in a log, in its order."""
        found: list[float] = []
        for line in lines:
            value = self._value(line[:LONGEST])
            if value is not None and len(found) < MOST:
                found.append(value)
        return tuple(found)

    def best(self, values: Sequence[float]) -> float | None:
        """The best value that is a number; None without one."""
        numbers = [value for value in values if not math.isnan(value)]
        return None if not numbers else max(numbers) if self.more else min(numbers)

    def _value(self, line: str) -> float | None:
        if self.pattern is None:
            return _perplexity(line)
        match = self.pattern.search(line)
        if match is None:
            return None
        try:
            return float(match.group(1) if match.re.groups else match.group())
        except (TypeError, ValueError):
            return None


def metrics(given: Sequence[str]) -> tuple[Metric, ...]:
    """What to look for.

    Args:
        given: each ``NAME=REGEX``, or ``NAME:max=REGEX`` where more is better. The number is the
            expression's first group, or all that it matches.

    Returns:
        Validation perplexity, then these; one with its name takes its place.

    Raises:
        UsageError: one is no such thing, or no regular expression.
    """
    found = {PERPLEXITY: Metric(PERPLEXITY)}
    for one in given:
        name, sign, pattern = one.partition("=")
        more = name.endswith(":max")
        name = name.removesuffix(":max").removesuffix(":min").strip()
        if not sign or not name or not pattern:
            raise UsageError(f"--metric {one!r}: give NAME=REGEX, such as 'accuracy:max=acc ([0-9.]+)'")
        try:
            found[name] = Metric(name, re.compile(pattern), more)
        except (re.error, RecursionError, OverflowError) as error:
            raise UsageError(f"--metric {one!r}: this is no regular expression: {error}") from None
    return tuple(found.values())


def _perplexity(line: str) -> float | None:
    """Validation perplexity in one line, from the loss in nats where only that is said.

    ``valid ppl 365.2``, ``val_loss=5.9``, ``valid loss 5.900 | perplexity 365.04``: what stands
    after the word for validation, and before one for training or test.
    """
    valid = _VALID.search(line)
    if valid is None:
        return None
    rest = line[valid.end() :]
    other = _OTHER.search(rest)
    rest = rest[: other.start()] if other else rest
    direct, loss = _PPL.search(rest), _LOSS.search(rest)
    if direct is not None:
        return float(direct.group(1))
    if loss is None:
        return None
    nats = float(loss.group(1))
    return math.exp(nats) if nats < 700 else math.inf
