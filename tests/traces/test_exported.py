"""What torch's profiler writes: what is said where it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnprof.errors import UsageError
from rnnprof.traces.kineto import exported

LABEL = '{"traceEvents": [{"name": "a "quoted" label", "ph": "X"}]}'
CUT = "it could not be written whole: is the disk full?"


class Profiler:
    """Writes this text, or nothing at all."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def export_chrome_trace(self, file: str) -> None:
        if self.text is not None:
            Path(file).write_text(self.text)


@pytest.mark.parametrize(
    ("text", "said"),
    [(LABEL, "a quotation mark in its name"), (LABEL[:-4], CUT), ("", CUT), (None, CUT)],
)
def test_a_trace_that_was_cut_is_told_from_one_with_a_bad_label(tmp_path, text, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        exported(Profiler(text), tmp_path / "trace.json", {})
    assert list(tmp_path.iterdir()) == []
