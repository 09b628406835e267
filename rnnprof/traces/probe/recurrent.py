"""Counts of recurrent layers, forward and backward.

Each row (one element of the batch at one time step) is multiplied with every weight matrix of every
layer and direction once, projections (``weight_hr``) included: 2 x rows x elements of the matrices
(Hochreiter and Schmidhuber's cell as in torch's documentation of ``torch.nn.LSTM``, ``GRU`` and
``RNN``). Backward, each of these products has two of the same size: for the gradient of its input and
of its weight. What is elementwise (gates, biases, dropout) is left out. torch's own counters give 0
for the operators that do a layer or more at once.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from rnnprof.traces.probe.products import Counted
from rnnprof.traces.probe.shapes import Arguments, Dims, Tensor

_GATES = {0: 1, 1: 1, 2: 4, 3: 3}
"""Matrices in one by cuDNN's and MIOpen's number of the kind: RNN (ReLU, tanh), LSTM, GRU; torch's
``nn/modules/rnn.py`` and ``_VF`` hand it over."""


def layers(gates: int) -> Callable[[Arguments], Counted | None]:
    """Count all layers at once: ``aten::lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu``.

    Args:
        gates: number of matrices in one: 4 for LSTM, 3 for GRU, 1 for RNN.
    """

    def count(args: Arguments) -> Counted | None:
        packed = "batch_sizes" in args.names
        data = args.dims("data" if packed else "input")
        if not packed and any(one.dtype == "int64" for one in args.all("hx")):
            return None  # a packed sequence: here are the batch's sizes, the states come after them
        return _forward(args, data, gates, args.all("hx"), args.all("params"))

    return count


def library(args: Arguments) -> Counted | None:
    """Count ``aten::_cudnn_rnn`` and ``aten::miopen_rnn``; the states are tensors of their own."""
    gates = _GATES.get(args.number("mode") or 0, 1)
    return _forward(args, args.dims("input"), gates, args.all("hx") + args.all("cx"), args.all("weight"))


def library_backward(args: Arguments) -> Counted | None:
    """Count their backward pass; it writes a gradient of each argument."""
    forward = library(args)
    if forward is None:
        return None
    given = (args.all(name) for name in ("input", "weight", "hx", "cx"))
    return 2 * forward[0], sum(one.elements for tensors in given for one in tensors)


def mps(args: Arguments) -> Counted | None:
    """Count ``aten::_lstm_mps``."""
    return _forward(args, args.dims("input"), 4, args.all("hx"), args.all("params"))


def mps_backward(args: Arguments) -> Counted | None:
    """Count ``aten::lstm_mps_backward``; it writes a gradient of each argument."""
    forward = mps(args)
    if forward is None:
        return None
    given = (args.all(name) for name in ("input", "hx", "params"))
    return 2 * forward[0], sum(one.elements for tensors in given for one in tensors)


def one_layer(args: Arguments, backward: bool = False) -> Counted | None:
    """Count one layer in one direction: ``aten::mkldnn_rnn_layer`` and its backward pass."""
    first = 1 if backward else 0
    weights = [args.dims(f"weight{first + place}") for place in (0, 1)]
    data, hidden, cell = args.dims("input"), args.dims("hx_"), args.dims("cx_tmp" if backward else "cx_")
    if not data or weights[0] is None or weights[1] is None or not hidden:
        return None
    rows = prod(data[:-1])
    flops = 2 * rows * sum(prod(one) for one in weights if one)
    if not backward:
        return flops, rows * hidden[-1] + prod(hidden) + prod(cell or (0,))
    given = ("input", *(f"weight{place}" for place in range(1, 5)), "hx_", "cx_tmp")
    return 2 * flops, sum(one.elements for name in given for one in args.all(name))


def cell(args: Arguments) -> Counted | None:
    """Count one time step: ``aten::lstm_cell``, ``gru_cell``, ``rnn_tanh_cell``, ``rnn_relu_cell``."""
    data, weights = args.dims("input"), [args.dims("w_ih"), args.dims("w_hh")]
    if not data or weights[0] is None or weights[1] is None:
        return None
    flops = 2 * prod(data[:-1]) * sum(prod(one) for one in weights if one)
    return flops, sum(one.elements for one in args.all("hx"))


def _forward(
    args: Arguments, data: Dims | None, gates: int, states: list[Tensor], weights: list[Tensor]
) -> Counted | None:
    """All layers: operations, and the elements of output and final states."""
    if not data or not states:
        return None
    rows, many = prod(data[:-1]), args.number("num_layers")
    twice = 2 if args.flags("bidirectional") == (True,) else 1
    hidden = states[0].dims[-1] if states[0].dims else 0
    matrices = sum(one.elements for one in weights if len(one.dims) == 2)
    if not matrices:
        # A list of more than 30 tensors: what the matrices must be, from the sizes.
        wide = states[-1].dims[-1] if states[-1].dims else 0
        matrices = _matrices(data[-1], hidden, wide, gates, many or 1, twice)
    return 2 * rows * matrices, rows * hidden * twice + sum(one.elements for one in states)


def _matrices(data: int, hidden: int, wide: int, gates: int, many: int, twice: int) -> int:
    """Elements of all weight matrices.

    Args:
        data: size of the input.
        hidden: size of the hidden state, after its projection if there is one.
        wide: size of the cell state.
        gates: number of matrices in one.
        many: number of layers.
        twice: number of directions.
    """
    first = gates * wide * (data + hidden)
    other = gates * wide * (hidden * twice + hidden)
    projection = hidden * wide if hidden != wide else 0
    return twice * (first + (many - 1) * other + many * projection)
