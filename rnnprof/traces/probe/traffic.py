"""Bytes that operators without a formula read and write: an estimate from below, from their shapes.

- Each tensor that an operator is given is read once; a dimension that was expanded (stride 0) is one
  element. What is in a cache is not deducted, and what is read twice is not added.
- In place (the name ends in ``_``) the first argument is written too; ``fill_``, ``zero_``, ``copy_``
  and random numbers write it without reading it.
- A reduction writes next to nothing. All else writes as much as its largest argument has elements;
  arithmetic, what its arguments give when they are broadcast.
- Picking rows (``embedding``, ``index_select``, ``gather``, the loss of picked classes) reads the
  picked ones alone.
- A list of tensors (``cat``, ``_foreach_add_``, ``_fused_adam_``) is one argument.
- What moves nothing (views, empty tensors, questions about a tensor) counts nothing, unless something
  inside it does. The same holds for what is given a sparse tensor: its shape does not tell its size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from math import prod

from rnnprof.traces.probe.shapes import Call, Tensor


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOTHING = _words(
    """
    adjoint alias as_strided atleast_1d atleast_2d atleast_3d broadcast_tensors broadcast_to chunk
    coalesce col_indices ccol_indices crow_indices row_indices conj contiguous cpu cuda cudnn_is_acceptable
    data detach detach_ diagonal dsplit empty empty_like empty_permuted empty_quantized empty_strided
    expand expand_as flatten full_like getitem hsplit imag indices is_same_size item lift_fresh
    linalg_diagonal mH mT matrix_H moveaxis movedim narrow new_empty new_empty_strided new_full new_ones
    new_zeros numpy_T ones_like permute pin_memory positive promote_types rand_like randint_like
    randn_like ravel real record_stream rename requires_grad_ reshape reshape_as resize_ resize_as_
    resolve_conj resolve_neg result_type select set_ set_data size slice slice_inverse split
    split_with_sizes squeeze squeeze_ stride swapaxes swapaxes_ swapdims swapdims_ sym_numel sym_size
    sym_stride t t_ tensor_split to transpose transpose_ type_as unbind unflatten unfold unsafe_chunk
    unsafe_split unsafe_split_with_sizes unsqueeze unsqueeze_ values view view_as view_as_complex
    view_as_real vsplit zeros_like as_strided_ _autocast_to_full_precision
    _autocast_to_reduced_precision _conj _fused_sdp_choice _fw_primal _has_same_storage_numel _indices
    _local_scalar_dense _make_dual _neg_view _nested_get_values _nested_view_from_buffer
    _nested_view_from_jagged _pack_padded_sequence _pad_packed_sequence _pin_memory _reshape_alias
    _sparse_broadcast_to _to_copy _unsafe_view _use_cudnn_ctc_loss _use_cudnn_rnn_flatten_weight _values
    _version is_complex is_floating_point is_inference is_leaf is_neg is_nonzero is_pinned is_set_to
    index take_along_dim _grad_sum_to_size
    _sparse_coo_tensor_unsafe _sparse_coo_tensor_with_dims_and_tensors
    """
)
"""Operators that move nothing, or of which the shapes do not tell what; what is inside them counts."""

_FILL = _words(
    """
    fill_ zero_ copy_ _copy_from _foreach_zero_ _foreach_copy_ uniform_ normal_ bernoulli_ random_
    exponential_ log_normal_ cauchy_ geometric_
    """
)
"""Write their first argument without reading it."""

_REDUCE = _words(
    """
    sum nansum mean nanmean prod norm linalg_vector_norm linalg_norm max min amax amin aminmax argmax
    argmin any all std var var_mean std_mean logsumexp median mode count_nonzero topk kthvalue nonzero
    equal allclose isclose _foreach_norm _foreach_max dist trace mse_loss l1_loss smooth_l1_loss huber_loss
    binary_cross_entropy binary_cross_entropy_with_logits kl_div _unique2 bincount histc searchsorted
    _amp_update_scale_ ctc_loss _ctc_loss
    """
)
"""What they write is small against what they read."""

_ARITHMETIC = _words(
    """
    add sub rsub mul div true_divide where pow maximum minimum fmax fmin atan2 lerp addcmul addcdiv
    bitwise_and bitwise_or logical_and logical_or gt lt ge le eq ne remainder floor_divide fmod hypot
    """
)
_OF_THREE = _words("where lerp addcmul addcdiv")
"""Arithmetic on three tensors; that of two may be given a third one, to write to."""

_TRUTH = _words(
    """
    gt lt ge le eq ne isnan isinf isfinite logical_not logical_and logical_or logical_xor signbit
    """
)
"""Write one byte for each element."""

_UPDATED = {
    "_fused_adam_": (0, 2, 3, 4),
    "_fused_adamw_": (0, 2, 3, 4),
    "_fused_sgd_": (0, 2),
    "_fused_adagrad_": (0, 2),
}
"""Arguments that fused optimizers write; the gradients are read."""


def is_nothing(name: str) -> bool:
    """Whether an operator of this name (``aten::view``) moves nothing itself."""
    return name.rpartition("::")[2] in NOTHING


def moved(call: Call) -> int:
    """Estimate what an operator reads and writes, by its arguments alone.

    Args:
        call: of an operator, such as ``aten::add``.

    Returns:
        Bytes; 0 for what moves nothing, and where nothing is known.
    """
    name = call.name.rpartition("::")[2]
    first = call.tensors[0] if call.tensors else []
    if is_nothing(name) or call.sparse or not any(call.tensors):
        return 0
    if name in _PICKING:
        return _PICKING[name](call)
    if name in _UPDATED:
        return _read(call) + sum(_bytes(call, place) for place in _UPDATED[name])
    if name in _FILL:
        return _read(call)  # as much is written of the first one as reading it would move
    if name.endswith("_") and not name.endswith("__"):
        return _read(call) + sum(one.bytes for one in first)
    if name in _REDUCE:
        return _read(call)
    size = 1 if name in _TRUTH else call.size
    if name in _ARITHMETIC:
        return _operands(call, name) + _together(call) * size
    return _read(call) + max(sum(one.elements for one in tensors) for tensors in call.tensors) * size


def _read(call: Call) -> int:
    return sum(one.bytes for tensors in call.tensors for one in tensors)


def _operands(call: Call, name: str) -> int:
    """Bytes that arithmetic reads: of all tensors but the one that its result is written to."""
    given = [tensors for tensors in call.tensors if tensors]
    return sum(one.bytes for tensors in given[: 3 if name in _OF_THREE else 2] for one in tensors)


def _bytes(call: Call, place: int) -> int:
    return sum(one.bytes for one in call.tensors[place]) if place < len(call.tensors) else 0


def _together(call: Call) -> int:
    """Elements of all arguments broadcast to one shape."""
    shapes = [one.dims[::-1] for tensors in call.tensors for one in tensors]
    return prod(0 if 0 in sizes else max(sizes) for sizes in zip_longest(*shapes, fillvalue=1))


# ---- rows that are picked -----------------------------------------------------------------------


def _one(call: Call, place: int) -> Tensor | None:
    tensors = call.tensors[place] if place < len(call.tensors) else []
    return tensors[0] if tensors else None


def _rows(call: Call) -> int:
    """``embedding(weight, indices)``: indices read, their rows read and written."""
    weight, picked = _one(call, 0), _one(call, 1)
    if weight is None or picked is None:
        return 0
    return picked.bytes + 2 * picked.elements * prod(weight.dims[1:]) * call.size


def _bags(call: Call) -> int:
    """``embedding_bag(weight, indices, offsets)``: one row for each bag is written."""
    weight, picked, bags = _one(call, 0), _one(call, 1), _one(call, 2)
    if weight is None or picked is None or bags is None:
        return 0
    return picked.bytes + bags.bytes + (picked.elements + bags.elements) * prod(weight.dims[1:]) * call.size


def _whole_table(call: Call) -> int:
    """``embedding_dense_backward(grad, indices, num_weights)``: the whole gradient is written."""
    gradient = _one(call, 0)
    many = call.text(2)
    if gradient is None or not gradient.dims or not many.isdecimal() or len(many) > 18:
        return 0
    return _read(call) + int(many) * gradient.dims[-1] * call.size


def _selected(call: Call) -> int:
    """``index_select(self, dim, index)``: slices read and written."""
    table, picked, text = _one(call, 0), _one(call, 2), call.text(1)
    if table is None or picked is None or not table.dims or not text.lstrip("-").isdecimal():
        return 0
    along = int(text[:4])
    if not -len(table.dims) <= along < len(table.dims) or not table.dims[along]:
        return 0
    return picked.bytes + 2 * picked.elements * (table.elements // table.dims[along]) * call.size


def _gathered(place: int) -> Callable[[Call], int]:
    def count(call: Call) -> int:
        picked = _one(call, place)
        return 0 if picked is None else picked.bytes + 2 * picked.elements * call.size

    return count


def _put(place: int) -> Callable[[Call], int]:
    """Values read and written; with an index, that too."""

    def count(call: Call) -> int:
        values = _one(call, place)
        index = _one(call, 2) if place > 2 else None
        return 0 if values is None else 2 * values.bytes + (index.bytes if index else 0)

    return count


def _loss(call: Call) -> int:
    """``nll_loss(self, target)``: one element for each target."""
    target = _one(call, 1)
    return 0 if target is None else target.bytes + target.elements * call.size


def _loss_backward(call: Call) -> int:
    """``nll_loss_backward(grad, self, target)``: zeros in the shape of ``self``, and the targets' places."""
    scores, target = _one(call, 1), _one(call, 2)
    if scores is None or target is None:
        return 0
    return target.bytes + (scores.elements + target.elements) * call.size


_PICKING: Mapping[str, Callable[[Call], int]] = {
    **dict.fromkeys(("embedding",), _rows),
    **dict.fromkeys(("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only"), _bags),
    "embedding_dense_backward": _whole_table,
    "index_select": _selected,
    "gather": _gathered(2),
    "take": _gathered(1),
    **dict.fromkeys(("index_put_", "_index_put_impl_", "_unsafe_index_put"), _put(2)),
    **dict.fromkeys(("index_add_", "index_copy_", "scatter_add_", "scatter_"), _put(3)),
    **dict.fromkeys(
        ("nll_loss", "nll_loss_nd", "nll_loss_forward", "nll_loss2d", "nll_loss2d_forward"), _loss
    ),
    **dict.fromkeys(("nll_loss_backward", "nll_loss2d_backward"), _loss_backward),
}
