"""Floating-point operations of recurrent layers and of the projection onto classes, from their sizes.

A multiplication with an addition counts as 2; what is elementwise is left out. Each row (one sequence at
one time step) meets every weight matrix once (Hochreiter and Schmidhuber's cell as in torch's
documentation of ``torch.nn.LSTM``, ``GRU`` and ``RNN``). Backward, each product has two of the same size:
for the gradient of its input and of its weight.
"""

from __future__ import annotations

from rnnprof.anatomy import Anatomy
from rnnprof.network import Output, Recurrent

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
"""Matrices in one, by kind of layer."""
WITH_BACKWARD = 3
"""Forward and backward together, in terms of forward."""


def recurrent(one: Recurrent) -> int:
    """Operations of all calls of a recurrent layer or cell, forward.

    Returns:
        A whole number; 0 for a kind that is not known. Where calls differ in length, all count as the
        longest.
    """
    gates = GATES.get(one.kind.removesuffix("_cell"), 0)
    state = one.projection_size or one.hidden_size
    first = gates * one.hidden_size * (one.input_size + state)
    other = gates * one.hidden_size * (one.directions * state + state)
    matrices = first + max(one.layers - 1, 0) * other
    matrices += max(one.layers, 1) * one.projection_size * one.hidden_size
    rows = one.calls * one.time_steps * one.batch if one.packed_steps is None else one.packed_steps
    return 2 * rows * one.directions * matrices


def projection(output: Output, rows: int) -> int:
    """Operations of the projection onto classes, forward."""
    return 2 * rows * output.width * output.classes


def others(anatomy: Anatomy, output: Output, rows: int) -> int:
    """Operations of all but the projection, forward.

    Of recurrent layers by their sizes. Without any, all other weights but an embedding's are taken to
    meet each row once (Kaplan et al., "Scaling Laws for Neural Language Models", 2020, section 2.1).
    """
    if anatomy.recurrent:
        return sum(recurrent(one) for one in anatomy.recurrent)
    own = output.classes * output.width
    embedded = output.embedding[0] * output.embedding[1] if output.embedding and not output.tied else 0
    return 2 * rows * max(output.weights - own - embedded, 0)
