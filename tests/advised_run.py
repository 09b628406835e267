"""Advice made by hand, and the word language model's breakdown with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rnnprof.analysis.advice.advised import Advice, Finding, Silent
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown
from tests.probe_builder import HOME
from tests.run_builder import word_language_model

HOSTILE = "\x1b[2J[red]a|b`c`\n<script>alert(1)</script>\u202egnp.exe & *x*"

DETACH = Finding(
    key="detach",
    title="The hidden state is not detached: the graph grows with every step",
    evidence="hidden came in with 412 nodes of earlier steps. From the first steps to the last one "
    "backward went from 6.50 ms to 157 ms.",
    change="detach it where the step begins: hidden = repackage_hidden(hidden), as in main.py:177.",
    check="`rnnprof report --only stages`: backward no longer grows over the run.",
    saving=0.712,
    percent="71.2 %",
    bound="backward without what its first steps did not need.",
    file=f"/{HOSTILE}/main.py",
    line=207,
    source=f"output, hidden = model(data, hidden)  # {HOSTILE}",
    stage=("forward", HOSTILE),
    urgent=True,
)
VOCABULARY = Finding(
    key="vocabulary",
    title="The projection onto 33,278 words takes most of what is computed",
    evidence="It is 9.32 of 10.1 GFLOP of the forward pass.",
    change="tie its weights to the embedding's, or nn.AdaptiveLogSoftmaxWithLoss.",
    check="perplexity, and the time of decoder and loss.",
    saving=0.183,
    percent="18.3 %",
    bound="the measured time of decoder and loss, less what an adaptive softmax of this model computes.",
    file=f"{HOME}/main.py",
    line=181,
    source="loss = criterion(output, targets)",
    stage=("loss",),
)
RAGGED = Finding(
    key="ragged",
    title="The last batch of each epoch is smaller than the others",
    evidence="1 batch of 64 has 3 of 20 sequences.",
    change="drop_last=True.",
    check="the longest step is no other than the median one.",
    stage=("get_batch",),
)
SILENT = (
    Silent("cells", "No step was looked at closely (no probe)."),
    Silent("padding", "No step was looked at closely (no probe)."),
    Silent("threads", "This system does not say how long threads wait for a core."),
)


def advice_of(*findings: Finding, **changed: Any) -> Advice:
    """Advice of these findings, best first."""
    given: dict[str, Any] = {
        "sentence": f"{len(findings)} of 12 checks found something to change; 3 had no signal.",
        "findings": findings,
        "shown": min(len(findings), 5),
        "checked": tuple(f"check{number}" for number in range(12)),
        "silent": SILENT,
    }
    return Advice(**(given | changed))


THREE = advice_of(DETACH, VOCABULARY, RAGGED)
HEALTHY = advice_of(sentence="12 checks found nothing to change; 3 had no signal.")
UNSEEN = advice_of(sentence="", checked=())


BARE = breakdown(word_language_model())
"""The same run without advice."""


def advised(advice: Advice | None = THREE) -> Breakdown:
    """The word language model's breakdown with some advice."""
    return replace(BARE, advice=advice)
