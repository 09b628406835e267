"""What went less well than it should while recording, as notes of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rnnprof import marks
from rnnprof.model import Json


def notes(recorder: Any) -> Iterator[Json]:
    """The notes of a recorder, each with its code; `analysis.notes` has the words.

    Args:
        recorder: the recorder.
    """
    if recorder.aborted:
        yield {"code": "aborted_steps", "count": recorder.aborted}
    refused = sum(track.refused for track in recorder.tracks)
    if refused:
        yield {"code": "too_many_stages", "limit": marks.MAX_STAGES, "count": refused}
    yield from recorder.timing.notes()
    if recorder.left:
        yield {"code": "open_at_end", "stages": recorder.left}
    if not marks.NATIVE:
        yield {"code": "python_marks"}
    if recorder.error:
        yield {"code": "save_failed", "message": recorder.error}
