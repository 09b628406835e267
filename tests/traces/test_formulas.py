"""Formulas on operators written by hand, and their arguments against torch's schemas."""

from __future__ import annotations

from typing import Any

import pytest
from written_call import Given, call, written

from rnnprof.traces.probe.formulas import FALLBACKS, FORMULAS, Cost, cost
from rnnprof.traces.probe.shapes import Arguments, Call


def flops(table: Any, name: str, *arguments: Any) -> int:
    return operations(table, Call(name, written(*arguments)))


def operations(table: Any, one: Call) -> int:
    found = cost(table, one)
    assert found is not None
    return found.flops


# ---- torch's schemas ----------------------------------------------------------------------------


def test_arguments_are_where_torch_has_them() -> None:
    torch = pytest.importorskip("torch")
    schemas: dict[str, list[list[str]]] = {}
    for schema in torch._C._jit_get_all_schemas():
        names = [argument.name for argument in schema.arguments]
        schemas.setdefault(schema.name, []).append(names)
    formulas = [(name, one) for table in (FORMULAS, FALLBACKS) for name, all in table.items() for one in all]
    known = [(name, one) for name, one in formulas if name in schemas]
    wrong = [
        (name, one.names)
        for name, one in known
        if not any(tuple(names[: len(one.names)]) == one.names for names in schemas[name])
    ]
    assert wrong == []
    # Few operators come and go; the formulas of those that a torch lacks are not used.
    assert {name for name, _ in formulas} - set(schemas) <= {
        "aten::_scaled_mm_v2",
        "mkldnn::_linear_pointwise",
    }
    assert len(known) > 70


# ---- layers of libraries that are not at hand ---------------------------------------------------


def cudnn(weights: list[Given], mode: int, size: int, layers: int, twice: bool, proj: int = 0) -> list[Any]:
    """Arguments of `_cudnn_rnn` behind its input: to ``dropout_state``."""
    states = Given(layers * (1 + twice), 20, proj or size)
    cells = Given(layers * (1 + twice), 20, size) if mode == 2 else None
    tail = [mode, size, proj, layers, False, 0.0, True, twice, [], None]
    return [weights, 4, Given(1000), states, cells, *tail]


WEIGHTS = [Given(800, 200), Given(800, 200), Given(800), Given(800)] * 2


def test_cudnns_lstm_forward_and_backward() -> None:
    once = 2 * (35 * 20) * (800 * 200) * 4
    given = cudnn(WEIGHTS, 2, 200, 2, False)
    found = cost(FORMULAS, call("aten::_cudnn_rnn", Given(35, 20, 200), *given))
    weights = 2 * (2 * 800 * 200 + 2 * 800)
    read = 35 * 20 * 200 + weights + 1000 + 2 * (2 * 20 * 200)
    assert found == Cost(once, 4 * (read + 35 * 20 * 200 + 2 * (2 * 20 * 200)))
    output = Given(35, 20, 200)
    back = [*given[:5], output, output, None, None, *given[5:], Given(100, dtype="unsigned char")]
    found = cost(FORMULAS, call("aten::_cudnn_rnn_backward", Given(35, 20, 200), *back, [True] * 4))
    result = 35 * 20 * 200 + weights + 2 * (2 * 20 * 200)
    assert found == Cost(2 * once, 4 * (read + 2 * 35 * 20 * 200 + result) + 100)


@pytest.mark.parametrize(("mode", "gates"), [(0, 1), (1, 1), (2, 4), (3, 3)])
@pytest.mark.parametrize("twice", [False, True])
def test_cudnn_with_weights_of_which_nothing_is_known(mode: int, gates: int, twice: bool) -> None:
    """A list of more than 30 tensors: the sizes are worked out."""
    both = 1 + twice
    first = [Given(gates * 5, 6), Given(gates * 5, 5), Given(gates * 5), Given(gates * 5)]
    other = [Given(gates * 5, both * 5), Given(gates * 5, 5), Given(gates * 5), Given(gates * 5)]
    weights = first * both + other * both * 8
    args = written(Given(7, 20, 6), *cudnn(weights, mode, 5, 9, twice))
    known = operations(FORMULAS, Call("aten::_cudnn_rnn", args))
    args["Input Dims"][1] = args["Input Strides"][1] = []
    unknown = operations(FORMULAS, Call("aten::_cudnn_rnn", args))
    matrices = gates * 5 * (6 + 5) * both + 8 * gates * 5 * (both * 5 + 5) * both
    assert known == unknown == 2 * (7 * 20) * matrices


def test_cudnn_with_projections() -> None:
    weights = [Given(20, 6), Given(20, 3), Given(20), Given(20), Given(3, 5)]
    given = written(Given(7, 20, 6), *cudnn(weights, 2, 5, 1, False, proj=3))
    once = 2 * (7 * 20) * (20 * 6 + 20 * 3 + 3 * 5)
    assert operations(FORMULAS, Call("aten::_cudnn_rnn", given)) == once
    given["Input Dims"][1] = []
    assert operations(FORMULAS, Call("aten::_cudnn_rnn", given)) == once


def test_miopen_and_mps() -> None:
    once = 2 * (35 * 20) * (800 * 200) * 4
    states = [Given(2, 20, 200), Given(2, 20, 200)]
    data, tail = Given(35, 20, 200), [2, 200, 2, False, 0.0, True, False, [], None]
    assert flops(FORMULAS, "aten::miopen_rnn", data, WEIGHTS, 4, *states, *tail) == once
    middle = [Given(9), *states, data, data, None, None]
    assert (
        flops(FORMULAS, "aten::miopen_rnn_backward", data, WEIGHTS, 4, *middle, *tail, Given(3)) == 2 * once
    )
    layers = [True, 2, 0.0, True, False, False]
    assert flops(FORMULAS, "aten::_lstm_mps", data, states, WEIGHTS, *layers) == once
    before = [data, None, None, Given(5), Given(5)]
    assert (
        flops(FORMULAS, "aten::lstm_mps_backward", *before, data, data, states, WEIGHTS, *layers) == 2 * once
    )


def test_layers_that_show_nothing_inside() -> None:
    tail = [True, 2, 0.0, True, False]
    once = 2 * (35 * 20) * (800 * 200) * 4
    states = [Given(2, 20, 200), Given(2, 20, 200)]
    assert flops(FALLBACKS, "aten::lstm", Given(35, 20, 200), states, WEIGHTS, *tail, False) == once
    sizes = Given(35, dtype="long int")
    assert flops(FALLBACKS, "aten::lstm", Given(700, 200), sizes, states, WEIGHTS, *tail) == once
    gru = [Given(15, 6), Given(15, 5), Given(15), Given(15)]
    assert flops(
        FALLBACKS, "aten::gru", Given(10, 6), sizes, Given(1, 3, 5), gru, True, 1, 0.0, True, False
    ) == 2 * 10 * (15 * 6 + 15 * 5)
    assert flops(
        FALLBACKS, "aten::gru", Given(7, 3, 6), Given(1, 3, 5), gru, True, 1, 0.0, True, False
    ) == 2 * 21 * (15 * 6 + 15 * 5)


# ---- other operators ----------------------------------------------------------------------------

Q, K = Given(2, 3, 5, 8, dtype="c10::Half"), Given(2, 1, 7, 8, dtype="c10::Half")
PAIRS = 2 * 3 * 5 * 7
LATE_Q, LATE_K = Given(2, 5, 3, 8), Given(2, 7, 3, 8)
FLAT_Q, ENDS = Given(20, 3, 8), Given(5, dtype="int")


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("_scaled_dot_product_flash_attention", (Q, K, K, 0.0, True), 4 * PAIRS * 8),
        ("_scaled_dot_product_cudnn_attention", (Q, K, K, None, True), 4 * PAIRS * 8),
        ("_scaled_dot_product_efficient_attention_backward", (Q, Q, K, K, None, Q), 10 * PAIRS * 8),
        ("_flash_attention_forward", (LATE_Q, LATE_K, LATE_K, None, None, 5, 7), 4 * PAIRS * 8),
        ("_efficient_attention_backward", (LATE_Q, LATE_Q, LATE_K, LATE_K), 10 * PAIRS * 8),
        # Four sequences of 5 one after the other.
        ("_flash_attention_forward", (FLAT_Q, FLAT_Q, FLAT_Q, ENDS, ENDS, 5, 5), 4 * 4 * 3 * 5 * 5 * 8),
        ("_scaled_mm", (Given(4, 6), Given(6, 5), Given(), Given()), 2 * 4 * 6 * 5),
        ("_grouped_mm", (Given(20, 6), Given(3, 6, 5), Given(3, dtype="int")), 2 * 20 * 6 * 5),
        ("_grouped_mm", (Given(3, 4, 6), Given(3, 6, 5)), 2 * 3 * 4 * 6 * 5),
        ("addbmm", (Given(4, 5), Given(3, 4, 6), Given(3, 6, 5)), 2 * 3 * 4 * 6 * 5),
        ("addr", (Given(4, 5), Given(4), Given(5)), 2 * 4 * 5),
        ("_addmm_activation", (Given(5), Given(4, 6), Given(6, 5)), 2 * 4 * 6 * 5),
        ("mkldnn_linear", (Given(2, 4, 6), Given(5, 6), Given(5)), 2 * 8 * 6 * 5),
        (
            "mkldnn_linear_backward",
            (Given(8, 6), Given(8, 5), Given(5, 6), [False, True, True]),
            2 * 8 * 6 * 5,
        ),
        ("cudnn_convolution", (Given(2, 3, 9), Given(4, 3, 3), [1], [2], [1], 1), 2 * 2 * 5 * (4 * 3 * 3)),
        (
            "cudnn_convolution_transpose",
            (Given(2, 3, 9), Given(3, 4, 3), [0], [0], [2], [1], 1),
            2 * 2 * 9 * (4 * 3 * 3),
        ),
    ],
)
def test_other_formulas(name: str, arguments: tuple[Any, ...], expected: int) -> None:
    assert flops(FORMULAS, f"aten::{name}", *arguments) == expected


def test_bytes_of_a_product_of_halves() -> None:
    half = [Given(4, 6, dtype="c10::Half"), Given(6, 5, dtype="c10::Half")]
    assert cost(FORMULAS, call("aten::mm", *half)) == Cost(2 * 4 * 6 * 5, 2 * (24 + 30 + 20))


def test_arguments_that_do_not_fit() -> None:
    for name, *arguments in (
        ("aten::mm", Given(4, 6), Given(7, 5)),
        ("aten::mm", Given(4, 6)),
        ("aten::mm",),
        ("aten::convolution", Given(4), Given(4, 4, 4)),
        ("aten::_cudnn_rnn", Given(4, 4, 4)),
        ("aten::mkldnn_rnn_layer", Given(4, 4, 4), None, None),
        ("aten::_scaled_dot_product_flash_attention", Given(4, 4), Given(4, 4), Given(4, 4)),
        ("aten::_grouped_mm", Given(4), Given(4, 4)),
    ):
        assert cost(FORMULAS, call(str(name), *arguments)) is None


def test_numbers_of_arguments() -> None:
    args = Arguments(call("aten::x", 3, [1, 2], True, [True, False], "nonsense"), ("a", "b", "c", "d", "e"))
    assert (args.number("a"), args.numbers("b")) == (3, (1, 2))
    assert (args.flags("c"), args.flags("d")) == ((True,), (True, False))
    assert (args.number("e"), args.numbers("e"), args.flags("e"), args.number("f")) == (None, None, (), None)
