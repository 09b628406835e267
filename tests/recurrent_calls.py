"""What a probe sees of recurrent layers and cells, made for tests."""

from __future__ import annotations

from typing import Any

from rnnprof.network import Recurrent
from tests.advice_runs import line


def layer(**changed: Any) -> Recurrent:
    """A call of a healthy LSTM on a CPU."""
    given: dict[str, Any] = {
        "path": ("forward",), "kind": "lstm", "calls": 1, "backward": True, "time_steps": 35, "batch": 20,
        "packed_steps": None, "input_size": 200, "hidden_size": 200, "layers": 2, "projection_size": 0,
        "directions": 1, "dtype": "float32", "device": "cpu", "one_chunk": None, "way": "onednn",
        "line": line(7, "self.rnn(emb, hidden)"),
    }  # fmt: skip
    return Recurrent(**(given | changed))


def cell(kind: str = "lstm_cell", **changed: Any) -> Recurrent:
    """A loop over time that calls a cell."""
    return layer(**({"kind": kind, "time_steps": 1, "calls": 35, "layers": 1, "way": "composed"} | changed))
