"""Batches of sequences: padding that is computed for nothing, and a last batch that is shorter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import COMPUTING, Abstain, Case, at
from rnnprof.analysis.advice.holding import held
from rnnprof.anatomy import Anatomy, Loader, Padding
from rnnprof.network import Recurrent

PADDED = 0.2
"""Part of a batch that is padding from which sorting by length pays: what remains of it within a window of
batches is often as much as a tenth."""
NOTHING = "Nothing tells padding from words (an embedding's padding_idx, a loss's ignore_index)."
CONVOLUTION = "ConvolutionBackward"


def padding(case: Case) -> Iterable[Finding]:
    """Find batches of which a large part is padding."""
    anatomy = case.seen("padding")
    rows = _telling(anatomy)
    total = sum(one.total for one in rows)
    if not total:
        other = anatomy.padding and anatomy.recurrent
        raise Abstain("The padding is not that of a layer's sequences." if other else NOTHING)
    part = sum(one.padding for one in rows) / total
    if part < PADDED:
        return
    worst = max(rows, key=lambda one: one.padding)
    packed = any(one.packed for one in rows)
    saving, bound = _saving(case, anatomy, rows, part)
    yield Finding(
        key="padding",
        title=f"{units.fraction(part)} of the batch is padding",
        evidence=_evidence(rows, worst, packed),
        change=(
            "Make batches of sequences of about the same length: sort them within windows of some tens of "
            f"batches, and shuffle the batches. Cut each batch to its longest sequence. {_pack(case, packed)}"
        ).rstrip(),
        check="The padding of the batch is less; compare the time per word, and validation, not the steps.",
        saving=saving,
        bound=bound,
        **at(worst.line),
    )


def _telling(anatomy: Anatomy) -> Sequence[Padding]:
    """What tells padding: inputs; of targets, which may be left out for other reasons, those of sequences.

    Where there are recurrent layers, only sequences that go through one: not the letters of words.
    """
    inputs = [one for one in anatomy.padding if one.how == "embedding"]
    if not anatomy.recurrent:
        return inputs
    some = inputs or anatomy.padding
    return [one for one in some if any(_goes_through(one, layer) for layer in anatomy.recurrent)]


def _goes_through(one: Padding, layer: Recurrent) -> bool:
    """Whether so many indices are the places of all calls of a layer, of which the largest is known."""
    places = layer.time_steps * layer.batch
    return one.total == places or places * layer.calls / 2 < one.total <= places * layer.calls


def _evidence(rows: Sequence[Padding], worst: Padding, packed: bool) -> str:
    padded, total = sum(one.padding for one in rows), sum(one.total for one in rows)
    how = "equal the embedding's `padding_idx`" if worst.how == "embedding" else "equal `ignore_index`"
    what = "words of the input" if worst.how == "embedding" else "targets"
    more = (
        " The recurrent layers get packed sequences; the other layers compute the padding." if packed else ""
    )
    return (
        f"{units.count(padded)} of {units.count(total)} {what} {how} in the probed step: one batch is a "
        f"sample.{more}"
    )


def _pack(case: Case, packed: bool) -> str:
    if packed:
        return "Compute the decoder and the loss of the packed sequence's `data` alone."
    if case.on_cpu:
        return ""
    return "`nn.utils.rnn.pack_padded_sequence` spares the recurrent layers what remains."


def _saving(case: Case, anatomy: Anatomy, rows: Sequence[Padding], part: float) -> tuple[float | None, str]:
    computing = case.share(COMPUTING)
    if computing is None:
        return None, ""
    layers = [one for one in anatomy.recurrent if any(_goes_through(row, one) for row in rows)]
    every, own = (held(case, some)[0] or 0.0 for some in (anatomy.recurrent, layers))
    # Packed, these layers compute no padding; others, such as those of another sequence, have none of it.
    packed = any(one.packed for one in rows)
    without = every if packed else max(every - own, 0.0)
    but = "all but the recurrent layers in " if packed else ""
    return (
        part * max(computing - without, 0.0),
        f"As if {but}forward, loss and backward took time for words alone.",
    )


def ragged(case: Case) -> Iterable[Finding]:
    """Find a shorter last batch where a new shape costs something."""
    loaders = [one for one in case.seen("loaders").loaders if _last(one)]
    if not loaders:
        return
    compiled = case.run.vitals.compiled if case.run.vitals else None
    later = compiled.later if compiled else 0
    tuned = _tuned(case)
    if not later and not tuned:
        return
    one = loaders[0]
    why = [
        f"After the warmup `torch.compile` compiled {units.count(later)} more graph{'s' * (later != 1)}, and "
        "the shorter batch is a shape that it has not seen."
        if later
        else "",
        "With `torch.backends.cudnn.benchmark` each new shape is tried out in all ways once."
        if tuned
        else "",
    ]
    yield Finding(
        key="ragged",
        title="The last batch of an epoch is shorter than the others",
        evidence=(
            f"{units.count(one.items or 0)} items in batches of {units.count(one.batch_size or 0)} leave one "
            f"of {units.count(_last(one))}. {' '.join(filter(None, why))}"
        ),
        change=(
            "Leave it out (`drop_last=True`; a shuffled order leaves out others each time)"
            + (", or compile with `dynamic=True`." if later else ".")
        ),
        check="The last step of the first epoch takes as long as the others."
        + (" `TORCH_LOGS=recompiles` names the causes." if later else ""),
    )


def _last(one: Loader) -> int:
    """Items of the last batch where it is shorter than the others; 0 where it is not, or not known."""
    if one.drop_last or not one.batch_size or not one.items or one.items <= one.batch_size:
        return 0
    return one.items % one.batch_size


def _tuned(case: Case) -> bool:
    """Whether cuDNN tries out new shapes: of convolutions, and of nothing else (``torch.backends.cudnn``)."""
    graph = case.anatomy.graph
    convolves = graph is not None and any(name.startswith(CONVOLUTION) for name, _ in graph.names)
    return convolves and case.run.environment.get("cudnn_benchmark") is True
