"""Bytes of operators without a formula, by their arguments."""

from __future__ import annotations

from typing import Any

import pytest
from written_call import Given, call, written

from rnnprof.traces.probe.shapes import Call
from rnnprof.traces.probe.traffic import NOTHING, moved


def test_views_move_nothing() -> None:
    torch = pytest.importorskip("torch")
    views = {
        schema.name[6:]
        for schema in torch._C._jit_get_all_schemas()
        if schema.name.startswith("aten::")
        and schema.arguments
        and str(schema.arguments[0].type) == "Tensor"
        and schema.returns
        and all(one.alias_info is not None and not one.alias_info.is_write for one in schema.returns)
        and str(schema.returns[0].type) in ("Tensor", "List[Tensor]")
    }
    assert views - NOTHING <= {
        "_test_autograd_multiple_dispatch_view",
        "_ncf_view",
        "_ncf_unsqueeze",
        "as_tensor",
        # Of named tensors, before torch 2.13.
        "align_to",
        "refine_names",
    }
    assert moved(call("aten::view", Given(100, 100), [10000])) == 0


@pytest.mark.parametrize(
    ("name", "arguments", "elements"),
    [
        ("add", (Given(20, 30), Given(30)), 600 + 30 + 600),
        ("mul", (Given(20, 1), Given(1, 30)), 20 + 30 + 600),
        ("mul", (Given(20, 30, strides=[0, 0]), Given(20, 30)), 1 + 600 + 600),  # one was expanded
        ("mul", (Given(20, 30), Given(20, 30), Given(20, 30)), 3 * 600),  # the last one is written
        ("where", (Given(20, 30), Given(20, 30), Given(20, 30)), 4 * 600),
        ("add_", (Given(20, 30), Given(30)), 600 + 30 + 600),
        ("add_", (Given(100, 8), Given(100, 8, strides=[]), 1), 0),  # one is sparse
        ("sigmoid_", (Given(20),), 40),
        ("tanh", (Given(20),), 40),
        ("zero_", (Given(20),), 20),
        ("fill_", (Given(20), 1.0), 20),
        ("sum", (Given(20, 30), [1]), 600),
        ("cat", ([Given(20), Given(5)], 0), 25 + 25),
        ("_foreach_add_", ([Given(20), Given(5)], [Given(20), Given(5)], 1), 25 * 3),
        ("_foreach_zero_", ([Given(20), Given(5)],), 25),
        ("_foreach_norm", ([Given(20), Given(5)], 2), 25),
        ("_fused_sgd_", ([Given(20)], [Given(20)], [Given(20)], 0.1), 60 + 40),
        ("_fused_adamw_", ([Given(20)], [Given(20)], [Given(20)], [Given(20)], [], [Given()]), 80 + 1 + 60),
        ("_log_softmax", (Given(20, 30), 1, False), 1200),
        ("view", (Given(20), [4, 5]), 0),
        ("empty", ([20], 6), 0),
        ("_sparse_coo_tensor_with_dims_and_tensors", (1, 1, [9, 4], Given(1, 5), Given(5, 4)), 0),
        ("index", (Given(20), None), 0),
    ],
)
def test_bytes_of_operators(name: str, arguments: tuple[Any, ...], elements: int) -> None:
    assert moved(call(f"aten::{name}", *arguments)) == 4 * elements


def test_bytes_of_several_types() -> None:
    rows = Given(7, dtype="long int")
    # What torch makes of tensor.mul_(0.9): the number, what is read, and where the result goes.
    number = Given(dtype="double")
    assert moved(call("aten::mul", number, Given(20), Given(20))) == 8 + 2 * 20 * 4
    assert moved(call("aten::copy_", Given(20, dtype="c10::BFloat16"), Given(20))) == 20 * (2 + 4)
    assert moved(call("aten::gt", Given(20), 0)) == 20 * (4 + 1)
    assert moved(call("aten::embedding", Given(100, 8), rows)) == 7 * 8 + 2 * 7 * 8 * 4
    assert moved(call("aten::index_select", Given(5, 100, 8), 1, rows)) == 7 * 8 + 2 * 5 * 7 * 8 * 4
    assert moved(call("aten::gather", Given(7, 100), 1, rows)) == 7 * 8 + 2 * 7 * 4
    assert moved(call("aten::embedding_dense_backward", Given(7, 8), rows, 100, -1)) == 7 * 8 * 5 + 800 * 4
    assert moved(call("aten::nll_loss_forward", Given(7, 100), rows)) == 7 * 8 + 7 * 4
    assert moved(call("aten::nll_loss_backward", Given(), Given(7, 100), rows)) == 7 * 8 + 707 * 4
    assert moved(call("aten::index_put_", Given(100, 8), None, Given(7, 8), True)) == 2 * 56 * 4
    assert moved(call("aten::scatter_add_", Given(100), 0, rows, Given(7))) == 2 * 7 * 4 + 7 * 8
    bags = call("aten::_embedding_bag", Given(100, 8), rows, Given(3, dtype="long int"))
    assert moved(bags) == 10 * 8 + 10 * 8 * 4


def test_lists_are_of_the_type_that_their_shape_was_seen_with() -> None:
    args = written([Given(20), Given(5)], 0)
    assert Call("aten::cat", args).dtype == "float32"
    assert Call("aten::cat", args, {(20,): "bfloat16", (5,): "bfloat16"}).dtype == "bfloat16"
    assert Call("aten::cat", args, {}, around="float64").dtype == "float64"
    assert moved(Call("aten::cat", args, {(20,): "bfloat16"})) == 20 * 2 + 5 * 4 + 25 * 2
