"""What part of a step the calls of a layer can take at most: the stages that hold them."""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof.analysis.advice.case import Case
from rnnprof.captures import Path
from rnnprof.network import Recurrent

BACKWARD = "backward"


def held(case: Case, calls: Iterable[Recurrent]) -> tuple[float | None, str]:
    """Bound the part of a step that these calls take, with their part of the backward pass.

    Args:
        case: the run under examination.
        calls: recurrent layers and cells.

    Returns:
        A fraction, or None where no stage holds them; and one sentence on what it rests on. Of a backward
        pass that is not divided, as large a part counts as of the stages that it undoes.
    """
    calls = list(calls)
    known = {row.path for row in case.rows if not row.remainder}
    places = _outermost(_nearest(one.path, known) for one in calls)
    if not places:
        return None, ""
    undone = _outermost(_nearest(one.path, known) for one in calls if one.backward)
    more, words = _undoing([path for path in undone if path[0] != BACKWARD], known)
    places = _outermost([*places, *more])
    part = sum(case.share_at(path) or 0.0 for path in places)
    if words and BACKWARD not in {path[0] for path in places}:
        part += _alike(case, undone) * (case.share((BACKWARD,)) or 0.0)
    return min(part, 1.0), f"As if {', '.join('/'.join(path) for path in places)}{words} took no time."


def _undoing(paths: list[Path], known: set[Path]) -> tuple[list[Path], str]:
    """The stages in which backward undoes others, or the words for a part of one that is not divided."""
    twins = [(BACKWARD, *path[1:]) for path in paths]
    if all(path in known for path in twins):
        return twins, ""
    if (BACKWARD,) not in known:
        return [], ""
    tops = ", ".join(dict.fromkeys(path[0] for path in paths))
    return [], f" and as large a part of backward as of {tops}"


def _alike(case: Case, paths: list[Path]) -> float:
    """How large a part these stages are of the outermost ones around them."""
    whole = sum(case.share_at(path) or 0.0 for path in _outermost(path[:1] for path in paths))
    return min(sum(case.share_at(path) or 0.0 for path in paths) / whole, 1.0) if whole else 1.0


def _nearest(path: Path, known: set[Path]) -> Path:
    while path and path not in known:
        path = path[:-1]
    return path


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Without repetition, and without those that lie within another one."""
    found = [path for path in dict.fromkeys(paths) if path]
    return [one for one in found if not any(one[: len(other)] == other for other in found if other != one)]
