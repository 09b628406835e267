"""What the run keeps of the network in a training step: its graph, its recurrent layers, its output."""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.captures import Path

MOST_NAMES = 24
"""Names of nodes that are kept of a graph."""
MOST_ROWS = 50
"""Members that are kept of each tuple in an `anatomy.Anatomy`."""


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
        nodes: nodes of autograd's graph in all passes, up to `most`.
        previous: of these, nodes made after the step before this one began, and before this one did.
        earlier: nodes older than that.
        most: how many were looked at at most; as many nodes mean that there are more.
        names: the most frequent names of nodes without the number at the end (``AddmmBackward``), with
            how many there are.
        retained: whether a pass kept its graph (``retain_graph=True``).
        line: where the last pass was started.
    """

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
        device: type of device, such as ``cuda``.
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
    device: str
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
