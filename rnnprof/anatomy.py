"""What the run keeps of how a training step is built: its graph, its layers, its update, its batch.

It is seen in the probed step (`probes.Probe`), and is what most advice rests on. What could not be
seen is None or an empty tuple; that is not the same as "there is none", which is 0 or False.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.captures import Path

MOST_NAMES = 24
"""Names of nodes that are kept of a graph."""
MOST_ROWS = 50
"""Members that are kept of each tuple in an `Anatomy`."""


@dataclass(frozen=True)
class Line:
    """A line of the program: the innermost one that is no library's, unless said otherwise.

    Args:
        file: its source file.
        line: its number from 1; 0 where it is not known.
        function: the function in it.
        source: the line, stripped, cut to 200 characters; empty where it is not at hand.
    """

    file: str
    line: int
    function: str
    source: str


@dataclass(frozen=True)
class Graph:
    """What the backward passes of the step went through.

    Args:
        passes: number of backward passes in the step.
        nodes: nodes of autograd's graph in all of them, up to `most`.
        previous: of these, nodes made after the step before this one began, and before this one did.
        earlier: nodes older than that.
        most: how many were looked at at most; as many nodes mean that there are more.
        names: the most frequent names of nodes without the number at the end (``AddmmBackward``), with
            how many there are.
        retained: whether a pass kept its graph (``retain_graph=True``).
        line: where the last pass was started.
    """

    passes: int
    nodes: int
    previous: int
    earlier: int
    most: int
    names: tuple[tuple[str, int], ...]
    retained: bool
    line: Line | None


@dataclass(frozen=True)
class State:
    """A recurrent state that came into the step with a graph that an earlier step made.

    Args:
        name: the program's name for it, such as ``hidden`` or ``self.h``; empty where it is not known.
        nodes: nodes behind it, up to ``Graph.most``.
        line: the outermost line of the program that handed it on: where it should be detached.
    """

    name: str
    nodes: int
    line: Line | None


@dataclass(frozen=True)
class Recurrent:
    """All calls of one recurrent layer or cell in the step, from one line.

    Args:
        path: the stage that they are in.
        kind: ``lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu``; with ``_cell`` where one time step is one call.
        calls: number of calls.
        backward: whether a gradient was asked for.
        time_steps: of the longest call; 1 for a cell.
        batch: sequences side by side, of the largest call.
        packed_steps: time steps times sequences without padding, summed; None where it is no packed
            sequence.
        input_size, hidden_size, layers, projection_size: of the layer; 0 for no projection.
        directions: 1, or 2 for a bidirectional layer.
        dtype: type of number of the input, as torch names it.
        weights_dtype: of the weights.
        device: type of device, such as ``cuda``.
        training: whether the layer is in training mode.
        dropout: between the layers.
        one_chunk: whether the weights lie in one piece of memory, in order; None where that does not
            matter (CPU, cells).
        way: what computes it, by the node of its result: ``cudnn``, ``miopen``, ``onednn``, ``fused`` (a
            fused cell), ``composed`` (of single operators); empty where it cannot be told.
        line: where the program calls it.
    """

    path: Path
    kind: str
    calls: int
    backward: bool
    time_steps: int
    batch: int
    packed_steps: int | None
    input_size: int
    hidden_size: int
    layers: int
    projection_size: int
    directions: int
    dtype: str
    weights_dtype: str
    device: str
    training: bool
    dropout: float
    one_chunk: bool | None
    way: str
    line: Line | None


@dataclass(frozen=True)
class Parameters:
    """The parameters that backward reached, of one type of number on one device.

    Args:
        dtype, device: as torch names them.
        tensors: how many there are.
        elements: of all of them.
    """

    dtype: str
    device: str
    tensors: int
    elements: int


@dataclass(frozen=True)
class Output:
    """The projection onto classes, such as the words of a vocabulary, that the loss is computed from.

    Args:
        classes: number of classes.
        width: inputs of the projection.
        rows: predictions in the step; None where it is not known.
        embedding: shape of an embedding with as many rows as there are classes, or None.
        tied: whether it is the same parameter; None where there is no such embedding.
        weights: elements of all parameters that backward reached.
        line: where the loss is computed, if that is known.
    """

    classes: int
    width: int
    rows: int | None
    embedding: tuple[int, int] | None
    tied: bool | None
    weights: int
    line: Line | None


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


@dataclass(frozen=True)
class OneByOne:
    """Calls on parameters, or on their gradients, one tensor at a time, from one line of the program.

    Args:
        path: the stage that they were in.
        what: ``update`` (a parameter changes), ``clip`` (norms or scaling of gradients), ``zero``
            (gradients are filled with zeros).
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
        place: ``gradients``, ``parameters`` or ``states``.
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
