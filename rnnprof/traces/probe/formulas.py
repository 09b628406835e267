"""Which operator is counted by which formula, bound to its arguments by name.

What counts is what is customary for the FLOPs of a model: matrix products, convolutions, recurrent
layers and attention. Elementwise arithmetic is left out.

The names are those of torch's schemas (``native_functions.yaml``); a test compares them, and the
places that they stand for, with the schemas of the torch that is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from rnnprof.traces.probe import products, recurrent
from rnnprof.traces.probe.products import Counted
from rnnprof.traces.probe.shapes import Arguments, Call

Count = Callable[[Arguments], "Counted | None"]


class Cost(NamedTuple):
    """What one call takes.

    Args:
        flops: floating-point operations.
        bytes: read and written.
    """

    flops: int
    bytes: int


@dataclass(frozen=True)
class Formula:
    """How an operator is counted.

    Args:
        count: gives operations and the number of elements that are written.
        names: the operator's first arguments, as its schema names them.
    """

    count: Count
    names: tuple[str, ...]

    def cost(self, call: Call) -> Cost | None:
        """What a call takes: every tensor that it is given read once, every result written once.

        Args:
            call: of this operator.

        Returns:
            None where the arguments are not known, do not fit, or are sparse.
        """
        counted = None if call.sparse else self.count(Arguments(call, self.names))
        if counted is None:
            return None
        read = sum(one.bytes for tensors in call.tensors for one in tensors)
        return Cost(counted[0], read + counted[1] * call.size)


def cost(table: Mapping[str, tuple[Formula, ...]], call: Call) -> Cost | None:
    """What a call takes by the first formula that fits; None where none does."""
    found = (formula.cost(call) for formula in table.get(call.name, ()))
    return next((one for one in found if one is not None), None)


def _by_name(rows: tuple[tuple[Count, str], ...]) -> dict[str, tuple[Formula, ...]]:
    found: dict[str, tuple[Formula, ...]] = {}
    for count, operators in rows:
        for operator in operators.strip().splitlines():
            name, *names = operator.split()
            found[name] = (*found.get(name, ()), Formula(count, tuple(names)))
    return found


_RNN = "num_layers batch_first dropout train bidirectional batch_sizes dropout_state"
_GIVEN = "input weight weight_stride0"
_KEPT = f"{_GIVEN} weight_buf hx cx output grad_output grad_hy grad_cy"
_MPS = "grad_y grad_hy grad_cy z_state cell_state_fwd"
_LAYERS = "params has_biases num_layers dropout train bidirectional"
_CONV = "padding stride dilation groups"
_TURNED = "padding output_padding stride dilation groups"
_FULL = "stride padding dilation transposed output_padding groups"

FORMULAS: Mapping[str, tuple[Formula, ...]] = _by_name(
    (
        (
            partial(products.product, left="self", right="mat2"),
            """aten::mm self mat2
            aten::bmm self mat2
            aten::_scaled_mm self mat2
            aten::_scaled_mm_v2 self mat2""",
        ),
        (partial(products.product, left="self", right="vec"), "aten::mv self vec"),
        (partial(products.product, left="self", right="tensor"), "aten::dot self tensor"),
        (partial(products.product, left="self", right="other"), "aten::vdot self other"),
        (
            partial(products.product, left="mat1", right="mat2"),
            """aten::addmm self mat1 mat2
            aten::addmm_ self mat1 mat2
            aten::_addmm_activation self mat1 mat2""",
        ),
        (
            partial(products.product, left="mat", right="vec"),
            """aten::addmv self mat vec
            aten::addmv_ self mat vec""",
        ),
        (
            partial(products.product, left="batch1", right="batch2"),
            """aten::baddbmm self batch1 batch2
            aten::baddbmm_ self batch1 batch2""",
        ),
        (
            partial(products.product, left="batch1", right="batch2", summed=True),
            """aten::addbmm self batch1 batch2
            aten::addbmm_ self batch1 batch2""",
        ),
        (
            partial(products.outer, left="self", right="vec2"),
            """aten::ger self vec2
            aten::outer self vec2""",
        ),
        (
            partial(products.outer, left="vec1", right="vec2"),
            """aten::addr self vec1 vec2
            aten::addr_ self vec1 vec2""",
        ),
        (
            products.grouped,
            """aten::_grouped_mm self mat2 offs
            aten::_scaled_grouped_mm self mat2 scale_a scale_b offs""",
        ),
        (partial(products.linear, data="self"), "aten::mkldnn_linear self weight"),
        (partial(products.linear, data="X", weight="W"), "mkldnn::_linear_pointwise X W"),
        (
            products.linear_backward,
            """aten::linear_backward self grad_output weight output_mask
            aten::mkldnn_linear_backward self grad_output weight output_mask""",
        ),
        (
            partial(products.convolution, data="input"),
            f"""aten::convolution input weight bias {_FULL}
            aten::_convolution input weight bias {_FULL}
            aten::convolution_overrideable input weight bias {_FULL}""",
        ),
        (
            partial(products.convolution, turned=False),
            f"""aten::cudnn_convolution self weight {_CONV}
            aten::miopen_convolution self weight bias {_CONV}
            aten::mkldnn_convolution self weight bias {_CONV}
            aten::_mps_convolution self weight bias {_CONV}
            aten::cudnn_convolution_relu self weight bias stride padding dilation groups
            aten::cudnn_convolution_add_relu self weight z alpha bias stride padding dilation groups""",
        ),
        (
            partial(products.convolution, turned=True),
            f"""aten::cudnn_convolution_transpose self weight {_TURNED}
            aten::miopen_convolution_transpose self weight bias {_TURNED}
            aten::_mps_convolution_transpose self weight {_TURNED}""",
        ),
        (
            products.convolution_backward,
            f"""aten::convolution_backward grad_output input weight bias_sizes {_FULL} output_mask
            aten::convolution_backward_overrideable grad_output input weight {_FULL} output_mask""",
        ),
        (
            products.attention,
            """aten::_scaled_dot_product_flash_attention query key value
            aten::_scaled_dot_product_flash_attention_for_cpu query key value
            aten::_scaled_dot_product_efficient_attention query key value
            aten::_scaled_dot_product_cudnn_attention query key value
            aten::_scaled_dot_product_fused_attention_overrideable query key value
            aten::_scaled_dot_product_attention_math_for_mps query key value""",
        ),
        (
            partial(products.attention, late=True),
            """aten::_flash_attention_forward query key value cum_seq_q
            aten::_efficient_attention_forward query key value bias cu_seqlens_q""",
        ),
        (
            partial(products.attention, forward=False),
            """aten::_scaled_dot_product_flash_attention_backward grad_out query key value
            aten::_scaled_dot_product_flash_attention_for_cpu_backward grad_out query key value
            aten::_scaled_dot_product_efficient_attention_backward grad_out_ query key value
            aten::_scaled_dot_product_cudnn_attention_backward grad_out query key value
            aten::_scaled_dot_product_fused_attention_overrideable_backward grad_out query key value""",
        ),
        (
            partial(products.attention, forward=False, late=True),
            """aten::_flash_attention_backward grad_out query key value out logsumexp cum_seq_q
            aten::_efficient_attention_backward grad_out_ query key value bias out cu_seqlens_q""",
        ),
        (
            recurrent.one_layer,
            "aten::mkldnn_rnn_layer input weight0 weight1 weight2 weight3 hx_ cx_",
        ),
        (
            partial(recurrent.one_layer, backward=True),
            """aten::mkldnn_rnn_layer_backward input weight1 weight2 weight3 weight4 hx_ cx_tmp""",
        ),
        (
            recurrent.library,
            f"""aten::_cudnn_rnn {_GIVEN} weight_buf hx cx mode hidden_size proj_size {_RNN}
            aten::miopen_rnn {_GIVEN} hx cx mode hidden_size {_RNN}""",
        ),
        (
            recurrent.library_backward,
            f"""aten::_cudnn_rnn_backward {_KEPT} mode hidden_size proj_size {_RNN}
            aten::miopen_rnn_backward {_KEPT} mode hidden_size {_RNN}""",
        ),
        (recurrent.mps, f"aten::_lstm_mps input hx {_LAYERS}"),
        (
            recurrent.mps_backward,
            f"aten::lstm_mps_backward {_MPS} input layersOutputs hx {_LAYERS}",
        ),
    )
)
"""Operators that hide whatever runs inside them."""

FALLBACKS: Mapping[str, tuple[Formula, ...]] = _by_name(
    (
        (products.linear, "aten::linear input weight"),
        (partial(products.product, left="self", right="other"), "aten::matmul self other"),
        (products.attention, "aten::scaled_dot_product_attention query key value"),
        (recurrent.layers(4), f"aten::lstm input hx {_LAYERS}\naten::lstm data batch_sizes hx {_LAYERS}"),
        (recurrent.layers(3), f"aten::gru input hx {_LAYERS}\naten::gru data batch_sizes hx {_LAYERS}"),
        (
            recurrent.layers(1),
            f"""aten::rnn_tanh input hx {_LAYERS}
            aten::rnn_tanh data batch_sizes hx {_LAYERS}
            aten::rnn_relu input hx {_LAYERS}
            aten::rnn_relu data batch_sizes hx {_LAYERS}""",
        ),
        (
            recurrent.cell,
            """aten::lstm_cell input hx w_ih w_hh
            aten::gru_cell input hx w_ih w_hh
            aten::rnn_tanh_cell input hx w_ih w_hh
            aten::rnn_relu_cell input hx w_ih w_hh""",
        ),
    )
)
"""Operators that are counted where nothing inside them was."""
