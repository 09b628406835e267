"""The words of a training loop: kinds of step that measure, and the well-known stages."""

from __future__ import annotations

MEASURED = ("event", "sync", "host")
"""The kinds of step that measure stages, the most trustworthy first."""

LEFT_OUT = ("warmup", "control", "cprofile", "trace", "probe")
"""The other kinds. Each is shown only where there are no better ones, the first of them first."""

OTHER = "other"
"""The remainder of a step, lane or run: time that no stage claims."""

OWN = "rnnprof"
"""The stage that holds rnnprof's own work between steps: folding and saving."""

DESCRIPTIONS = {
    "corpus": "read and tokenise the text",
    "batchify": "lay the text out in columns",
    "build_model": "allocate and initialise",
    "import": "load modules",
    "arguments": "read the options",
    "get_batch": "next slice of the text",
    "init_hidden": "a fresh hidden state",
    "repackage": "detach the hidden state",
    "zero_grad": "drop the old gradients",
    "forward": "the model's output",
    "encoder": "embedding",
    "rnn": "recurrent layers",
    "decoder": "scores over the vocabulary",
    "loss": "compare with the targets",
    "backward": "back-propagation through time",
    "clip": "limit the gradient norm",
    "update": "change the parameters",
    "schedule": "set the learning rate",
    "set_mode": "switch training on or off",
    "log": "report progress",
    "sample": "let the model write",
    "checkpoint": "save the model",
    OTHER: "time in no stage",
    OWN: "folding and saving",
}
"""One short phrase for each well-known stage, shown in figures."""
