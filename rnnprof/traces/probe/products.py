"""Counts of matrix products, convolutions and attention.

Each gives the floating-point operations and the number of elements that are written, or None where
the arguments do not fit. A multiplication with an addition counts as 2. Additions of a bias, scaling
and softmax are left out, and a causal mask is not deducted: the conventions of torch's own
``torch.utils.flop_counter``. Backward, attention counts the product that it computes again: 2.5 times
the forward pass where all heads are of one size (Dao, FlashAttention-2, arXiv:2307.08691, section 4.1).
"""

from __future__ import annotations

from itertools import zip_longest
from math import prod

from rnnprof.traces.probe.shapes import Arguments, Dims

Counted = tuple[int, int]
"""Operations, and elements written."""


_ENDS = ("cum_seq_q", "cu_seqlens_q")
"""Where each of several sequences that lie one after the other ends: one number more than sequences."""


def product(args: Arguments, left: str, right: str, summed: bool = False) -> Counted | None:
    """A product as ``torch.matmul`` understands it; of vectors the missing dimension is 1."""
    a, b = args.dims(left), args.dims(right)
    if not a or not b:
        return None
    rows, columns = (a[-2] if len(a) > 1 else 1), (b[-1] if len(b) > 1 else 1)
    if a[-1] != (b[-2] if len(b) > 1 else b[0]):
        return None
    batch = prod(max(pair) for pair in zip_longest(a[-3::-1], b[-3::-1], fillvalue=1))
    return 2 * batch * rows * a[-1] * columns, rows * columns * (1 if summed else batch)


def outer(args: Arguments, left: str, right: str) -> Counted | None:
    a, b = args.dims(left), args.dims(right)
    return None if a is None or b is None else (2 * prod(a) * prod(b), prod(a) * prod(b))


def grouped(args: Arguments) -> Counted | None:
    """Several products in one; two-dimensional operands are the groups one after the other."""
    a, b, groups = args.dims("self"), args.dims("mat2"), args.dims("offs")
    if a is None or b is None or not (2 <= len(a) <= 3 and 2 <= len(b) <= 3):
        return None
    each = a[-2] * b[-1]
    both = len(a) == len(b) == 3
    apart = a[0] if both else prod(groups or (1,)) if len(a) == len(b) else 1
    return 2 * each * a[-1] * (a[0] if both else 1), each * apart


def linear(args: Arguments, data: str = "input", weight: str = "weight") -> Counted | None:
    x, w = args.dims(data), args.dims(weight)
    if not x or not w or x[-1] != w[-1]:
        return None
    return 2 * prod(x[:-1]) * prod(w), prod(x[:-1]) * prod(w[:-1])


def linear_backward(args: Arguments, parts: tuple[bool, ...] = ()) -> Counted | None:
    """The same product again for the gradient of the input, and for that of the weight."""
    gradient, w = args.dims("grad_output"), args.dims("weight")
    if not gradient or w is None or len(w) != 2:
        return None
    data, weight = (parts or (*args.flags("output_mask"), True, True))[:2]
    rows = prod(gradient[:-1])
    return 2 * rows * prod(w) * (data + weight), data * rows * w[1] + weight * prod(w)


# ---- convolution --------------------------------------------------------------------------------


def convolution(args: Arguments, data: str = "self", turned: bool | None = None) -> Counted | None:
    """At each place of the output (transposed: of the input) the filter once."""
    x, w = args.dims(data), args.dims("weight")
    if x is None or w is None or len(w) < 3:
        return None
    x = x if len(x) == len(w) else (1, *x)
    if len(x) != len(w):
        return None
    many = len(w) - 2
    stride, padding, dilation, more = (
        _spread(args.numbers(name), many, by)
        for name, by in (("stride", 1), ("padding", 0), ("dilation", 1), ("output_padding", 0))
    )
    groups = args.number("groups") or 1
    turned = turned if turned is not None else args.flags("transposed") == (True,)
    sizes = zip(x[2:], w[2:], stride, padding, dilation, more, strict=True)
    if turned:
        places = [(s - 1) * by - 2 * pad + d * (k - 1) + rest + 1 for s, k, by, pad, d, rest in sizes]
        return 2 * prod(x[:1] + x[2:]) * prod(w), x[0] * w[1] * groups * prod(max(s, 0) for s in places)
    places = [max((s + 2 * pad - d * (k - 1) - 1) // max(by, 1) + 1, 0) for s, k, by, pad, d, _ in sizes]
    return 2 * x[0] * prod(places) * prod(w), x[0] * w[0] * prod(places)


def _spread(values: Dims | None, many: int, otherwise: int) -> Dims:
    """One value for each dimension, where all of them have the same one or none is known."""
    values = values or (otherwise,)
    return values if len(values) == many else values[:1] * many


def convolution_backward(args: Arguments) -> Counted | None:
    """For the gradient of the input, and for that of the filter, as much as forward."""
    gradient, x, w = args.dims("grad_output"), args.dims("input"), args.dims("weight")
    if gradient is None or x is None or w is None or not len(gradient) == len(x) == len(w) >= 3:
        return None
    places = prod((x if args.flags("transposed") == (True,) else gradient)[2:])
    data, weight = (*args.flags("output_mask"), True, True)[:2]
    return 2 * x[0] * places * prod(w) * (data + weight), data * prod(x) + weight * prod(w)


# ---- attention ----------------------------------------------------------------------------------


def attention(args: Arguments, forward: bool = True, late: bool = False) -> Counted | None:
    """Scores, then their product with the values; backward five such products.

    Args:
        args: with ``query``, ``key`` and ``value``.
        forward: whether this is the forward pass.
        late: whether the heads come after the sequence: batch, sequence, heads, size of a head; or,
            with sequences one after the other, sequence, heads, size of a head.
    """
    q, k, v = (args.dims(name) for name in ("query", "key", "value"))
    if q is None or k is None or v is None or not 3 <= len(q) == len(k) == len(v):
        return None
    heads, rows, columns = (q[-2], q[-3], k[-3]) if late else (q[-3], q[-2], k[-2])
    batch = prod(q[:-3])
    pairs = batch * heads * rows * columns
    ends = next((dims for name in _ENDS if (dims := args.dims(name))), None) if late else None
    if ends is not None:
        # As if all sequences were equally long: for attention of a sequence to itself, no more than it is.
        pairs //= max(ends[0] - 1, 1)
    if forward:
        return 2 * pairs * (q[-1] + v[-1]), batch * heads * rows * v[-1]
    return 2 * pairs * (3 * q[-1] + 2 * v[-1]), prod(q) + prod(k) + prod(v)
