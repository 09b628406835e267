"""cuDNN's LSTM against the same layers as a loop of LSTMCell: few launches against many."""

from __future__ import annotations

import copy
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from measure import Timed, interleaved, median_with_interval, ratio

import rnnprof

from .bench import Bench, Findings, between, ms, percent, table
from .derived import derived
from .readings import kernels, means, notes, top, verdicts
from .training import DEFAULT, TINY, Sizes, Training, plain_ns, run

CALLED = ("step", "forward/rnn", "backward")
HEAD = (
    "recurrent layers",
    "step, ms",
    "by events, ms",
    "launches",
    "busy",
    "top by events",
    "top by host",
    "limited by, as rnnprof says",
)


class Cells(torch.nn.Module):  # type: ignore[misc]
    """The example's LSTM model, its recurrent layers written as a loop over time and layers."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.drop = torch.nn.Dropout(sizes.dropout)
        self.encoder = torch.nn.Embedding(sizes.vocabulary, sizes.emsize)
        widths = [sizes.emsize, *[sizes.nhid] * sizes.nlayers]
        cells = [torch.nn.LSTMCell(above, below) for above, below in pairwise(widths)]
        self.cells = torch.nn.ModuleList(cells)
        self.decoder = torch.nn.Linear(sizes.nhid, sizes.vocabulary)
        self.nhid = sizes.nhid

    def init_hidden(self, batch: int) -> Any:
        """Zeros for h and c, each of shape (layers, batch, nhid)."""
        zeros = self.decoder.weight.new_zeros(len(self.cells), batch, self.nhid)
        return zeros, zeros.clone()

    def forward(self, data: Any, hidden: Any) -> Any:
        """Scores, and the new state; see the example's model."""
        with rnnprof.stage("encoder"):
            embedded = self.drop(self.encoder(data))
        with rnnprof.stage("rnn"):
            states = list(zip(*hidden, strict=True))
            outputs = []
            for value in embedded:
                for layer, cell in enumerate(self.cells):
                    states[layer] = cell(value, states[layer])
                    value = self.drop(states[layer][0])
                outputs.append(value)
            hidden = tuple(torch.stack(parts) for parts in zip(*states, strict=True))
            output = torch.stack(outputs)
        with rnnprof.stage("decoder"):
            scores = self.decoder(output.flatten(0, 1))
        return scores, hidden


class PlainCells(Cells):
    """The same without marks."""

    forward = derived(Cells.forward)


def cells(sizes: Sizes) -> tuple[Any, Any]:
    """The model with marks, and the same without, on the same parameters."""
    made = Cells(sizes)
    plain = copy.copy(made)
    plain.__class__ = PlainCells
    return made, plain


def measure(bench: Bench) -> Findings:
    """Step time, launches and busy share of both, and what rnnprof calls them."""
    found = Findings("cuDNN's LSTM against a loop of LSTMCell")
    sizes = TINY if bench.tiny else DEFAULT
    works = {
        "nn.LSTM": Training(sizes, bench.card),
        "loop of nn.LSTMCell": Training(sizes, bench.card, build=cells),
    }
    for work in works.values():
        run(work, bench.some(10, 1))
    pair = sum(plain_ns(work, bench.some(10, 1)) for work in works.values())
    variants: dict[str, Timed] = {name: partial(plain_ns, work) for name, work in works.items()}
    block = bench.some(20, 1)
    times = interleaved(variants, bench.steps_in(bench.seconds * 0.4, pair * block, 6, 100), block)
    rows = []
    for name, work in works.items():
        saved = _traced(bench, name, work, pair)
        looked = [kernels(trace).get("step") for trace in saved.traces]
        launches, busy_ns, gap_ns = next((one for one in looked if one is not None), (0.0, 0.0, 0.0))
        share = busy_ns / (busy_ns + gap_ns) if busy_ns + gap_ns else None
        event, host = means(saved, "event"), means(saved, "host")
        said = verdicts(saved)
        words = ", ".join(f"{stage}: {said[stage]}" for stage in CALLED if stage in said)
        step = median_with_interval(times[name])
        rows.append([name, ms(step[0]), ms(event.get("step")), f"{launches:,.0f}", percent(share)])
        rows[-1] += [top(event), top(host), words or "–"]
        found.data[name] = {
            "step_ns": step,
            "event_ns": event,
            "host_ns": host,
            "launches": launches,
            "busy_share": share,
            "limited_by": said,
            "notes": notes(saved),
        }
        if share is None:
            found.flags.append(f"{name}: the trace has no kernels")
    slower = ratio(times["loop of nn.LSTMCell"], times["nn.LSTM"])
    found.text += [
        f"{sizes}. The loop takes {between(slower)} times as long. Launches and busy share are of three "
        "traced steps; busy is the part of a step in which the device ran a kernel.",
        table(
            HEAD,
            rows,
        ),
    ]
    said = found.data["loop of nn.LSTMCell"]["limited_by"]
    if "launch" not in {said.get(stage) for stage in CALLED}:
        found.flags.append("rnnprof does not call the loop of LSTMCell launch-bound")
    return found


def _traced(bench: Bench, name: str, work: Training, pair_ns: float) -> Any:
    """A run with three traced steps and a probe."""
    file = name.replace(" ", "-").replace(".", "-")
    steps = bench.steps_in(bench.seconds * 0.1, pair_ns, 80, 600)
    with bench.profile(file, clock="auto", trace=rnnprof.Tracing(stages=False), probe=True) as prof:
        run(work, steps, prof)
        bench.card.synchronize()
    return rnnprof.load(bench.folder / f"{file}.json")
