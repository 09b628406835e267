"""What the run keeps of how a training step is built: its graph, its layers, its update, its batch.

It is seen in the probed step (`probes.Probe`), and is what most advice rests on. What could not be
seen is None or an empty tuple; that is not the same as "there is none", which is 0 or False.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.captures import Path
from rnnprof.network import Graph, Line, Output, Parameters, Recurrent, State


@dataclass(frozen=True)
class OptimizerStep:
    """An optimizer of ``torch.optim``, or a class of the program's made of it, that took a step.

    Args:
        path: the stage that it was in.
        name: its class, with the module where that is not torch's.
        torchs: whether it is a class of ``torch.optim``.
        foreach, fused: as it was asked for; None for torch's choice, and where it has no such option.
        can_fuse: whether this torch has a fused kernel of it for the device; None where not known.
        tensors, elements: of its parameters that have a gradient.
        device: type of device of these.
        calls: number of steps in the step.
        line: where the program calls it.
        momentum: whether it was asked for a momentum above 0, as SGD can be.
    """

    path: Path
    name: str
    torchs: bool
    foreach: bool | None
    fused: bool | None
    can_fuse: bool | None
    tensors: int
    elements: int
    device: str
    calls: int
    line: Line | None
    momentum: bool = False


@dataclass(frozen=True)
class OneByOne:
    """Calls on parameters, or on their gradients, one tensor at a time, from one line of the program.

    Args:
        path: the stage that they were in.
        what: ``update`` (a parameter changes, or something is added to its gradient), ``clip`` (norms
            or scaling of gradients), ``zero`` (gradients are filled with zeros).
        call: what was called, as a program writes it, such as ``Tensor.add_``.
        calls: how often.
        tensors, elements: of the different parameters concerned.
        device: type of device of these.
        library: whether torch's own code made the calls for the program.
        line: where.
    """

    path: Path
    what: str
    call: str
    calls: int
    tensors: int
    elements: int
    device: str
    library: bool
    line: Line | None


@dataclass(frozen=True)
class Padding:
    """Filling in the batch of the step.

    Args:
        how: ``embedding`` (indices equal to its ``padding_idx``) or ``targets`` (equal to the loss's
            ``ignore_index``).
        padding: how many are filling.
        total: of how many.
        packed: whether the recurrent layers got packed sequences.
        line: where it was seen.
    """

    how: str
    padding: int
    total: int
    packed: bool
    line: Line | None


@dataclass(frozen=True)
class Denormals:
    """Numbers too small for the usual form (subnormal, IEEE 754), with which a CPU computes slowly.

    Args:
        place: ``gradients`` or ``parameters``.
        denormal: how many there are.
        total: of how many that were looked at.
        flushed: whether the CPU takes them for zero (``torch.set_flush_denormal``).
    """

    place: str
    denormal: int
    total: int
    flushed: bool


@dataclass(frozen=True)
class Loader:
    """A ``torch.utils.data.DataLoader`` that was being read.

    Args:
        workers: its processes; 0 for none.
        batch_size: None where it makes no batches itself.
        items: length of its dataset; None where that is not known.
        drop_last, pin_memory, persistent: as they were asked for.
    """

    workers: int
    batch_size: int | None
    items: int | None
    drop_last: bool
    pin_memory: bool
    persistent: bool


@dataclass(frozen=True)
class Anatomy:
    """How the probed step is built.

    Args:
        graph: what backward went through; None where no backward pass was seen.
        states: states that came in with an earlier step's graph.
        recurrent: recurrent layers and cells.
        parameters: what backward reached.
        output: the projection onto classes; None where none was found.
        optimizers: optimizers that took a step.
        one_by_one: calls on parameters or gradients, one tensor at a time.
        padding: filling in the batch; empty where nothing tells filling from words.
        denormals: where they were looked for.
        loaders: loaders that were being read.
        missing: what was not looked at, and why: pairs of a field's name and a short reason.
    """

    graph: Graph | None = None
    states: tuple[State, ...] = ()
    recurrent: tuple[Recurrent, ...] = ()
    parameters: tuple[Parameters, ...] = ()
    output: Output | None = None
    optimizers: tuple[OptimizerStep, ...] = ()
    one_by_one: tuple[OneByOne, ...] = ()
    padding: tuple[Padding, ...] = ()
    denormals: tuple[Denormals, ...] = ()
    loaders: tuple[Loader, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
