"""FLOPs of real steps of torch where its own counter is right; types of number; updates."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from probed_step import BACKWARD, FORWARD, flops, probe, torchs_count, train

from rnnprof.probes import Work

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture(autouse=True)
def _few_words() -> Any:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of oneDNN, on layers that it does not know
        yield


# ---- as torch's own counter ---------------------------------------------------------------------


def _layers() -> Callable[[], Any]:
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    return lambda: model(torch.ones(4, 2, 5))


def _images() -> Callable[[], Any]:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Conv2d(4, 5, (3, 2), dilation=2),
        nn.ConvTranspose2d(5, 6, 3, stride=2, output_padding=1),
    )
    images = torch.randn(2, 3, 17, 18, requires_grad=True)
    return lambda: model(images)


def _sequences() -> Callable[[], Any]:
    model = nn.Sequential(nn.Conv1d(4, 6, 3, padding=2), nn.Conv1d(6, 5, 2, stride=2))
    return lambda: model(torch.ones(2, 4, 9))


def _volumes() -> Callable[[], Any]:
    model = nn.Conv3d(2, 3, 2)
    return lambda: model(torch.ones(2, 2, 4, 5, 6, requires_grad=True))


def _products() -> Callable[[], Any]:
    a, b, c = (torch.randn(*size, requires_grad=True) for size in ((2, 3, 4), (2, 4, 5), (2, 3, 5)))
    return lambda: torch.baddbmm(c, a, b) + torch.einsum("bij,bjk->bik", a, b) + torch.matmul(a, b)


def _encoder() -> Callable[[], Any]:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def run() -> Any:
        with sdpa_kernel(SDPBackend.MATH):  # torch counts it through its products
            return model(torch.ones(2, 3, 8))

    return run


@pytest.mark.parametrize("make", [_layers, _images, _sequences, _volumes, _products, _encoder])
def test_equal_to_torchs_counter(tmp_path: Path, make: Callable[[], Callable[[], Any]]) -> None:
    model = make()
    counted = train(torch, tmp_path, model)
    assert counted == torchs_count(model)
    assert counted["forward"] > 0


def test_a_convolution_in_groups(tmp_path: Path) -> None:
    model, batch = nn.Conv1d(4, 6, 3, groups=2), torch.randn(2, 4, 9, requires_grad=True)
    # 7 places, 6 outputs of 2 inputs each; torch's counter takes all 4 for the filter's gradient.
    once = 2 * 2 * 7 * (6 * 2 * 3)
    assert train(torch, tmp_path, lambda: model(batch)) == {"forward": once, "backward": 2 * once}


def test_attention_in_one_operator(tmp_path: Path) -> None:
    query = torch.randn(2, 3, 5, 8, requires_grad=True)
    other = torch.randn(2, 3, 7, 8, requires_grad=True)
    attend = nn.functional.scaled_dot_product_attention
    once = 2 * (2 * 3 * 5 * 7) * (8 + 8)
    counted = train(torch, tmp_path, lambda: attend(query, other, other))
    assert counted == {"forward": once, "backward": once * 5 // 2}


def test_vectors(tmp_path: Path) -> None:
    matrix, vector = torch.randn(3, 4, requires_grad=True), torch.randn(4)
    # The gradient of the matrix is an outer product.
    assert train(torch, tmp_path, lambda: matrix @ vector) == {"forward": 24, "backward": 24}
    wide = torch.randn(4, requires_grad=True)
    assert train(torch, tmp_path, lambda: wide @ vector) == {"forward": 8, "backward": 0}


# ---- types of number ----------------------------------------------------------------------------


def test_autocast_counts_in_the_type_that_it_computes_in(tmp_path: Path) -> None:
    lstm, decoder, batch = nn.LSTM(6, 5), nn.Linear(5, 4), torch.randn(7, 2, 6)

    def model() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return decoder(lstm(batch)[0]).float()

    result = [model()]
    rows, uncounted = probe(
        torch, tmp_path, forward=lambda: result.append(model()), backward=lambda: result[1].sum().backward()
    )
    recurrent, decoded = 2 * (7 * 2) * (20 * 6 + 20 * 5), 2 * (7 * 2) * (4 * 5)
    assert uncounted == ()
    assert flops(rows, FORWARD, "bfloat16") == recurrent + decoded
    assert flops(rows, BACKWARD, "bfloat16") == 2 * (recurrent + decoded)
    assert flops(rows, FORWARD, "float32") == flops(rows, BACKWARD, "float32") == 0
    # What converts a weight writes bfloat16, and the gradients come back as float32.
    assert {row.dtype for row in rows} == {"bfloat16", "float32"}


def test_autocast_of_a_convolution_a_cell_and_attention(tmp_path: Path) -> None:
    convolution, cell, batch = nn.Conv1d(9, 4, 3), nn.LSTMCell(14, 5), torch.randn(2, 9, 16)

    def model() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            state = cell(convolution(batch)[0])[0][None, None]
            return nn.functional.scaled_dot_product_attention(state, state, state)

    model()
    rows, uncounted = probe(torch, tmp_path, forward=model)
    once = 2 * 2 * 14 * (4 * 9 * 3) + 2 * 4 * (20 * 14 + 20 * 5) + 4 * (4 * 4) * 5
    assert uncounted == ()
    assert flops(rows, FORWARD, "bfloat16") == sum(row.flops for row in rows) == once


def test_what_is_computed_again_counts_again(tmp_path: Path) -> None:
    from torch.utils.checkpoint import checkpoint

    layer, batch = nn.Linear(16, 8), torch.randn(9, 2, 16)
    once = 2 * 18 * (16 * 8)
    counted = train(torch, tmp_path, lambda: checkpoint(layer, batch, use_reentrant=False))
    # Backward: the layer again, and the gradient of its weight.
    assert counted == {"forward": once, "backward": 2 * once}


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_models_in_one_type(tmp_path: Path, dtype: str) -> None:
    decoder = nn.Linear(5, 4).to(getattr(torch, dtype))
    batch = torch.randn(3, 5).to(getattr(torch, dtype))
    rows, _ = probe(torch, tmp_path, forward=lambda: decoder(batch))
    size = {"float64": 8, "bfloat16": 2}[dtype]
    assert rows == (Work(FORWARD, dtype, 2 * 3 * 4 * 5, size * (3 * 5 + 4 * 5 + 4 + 3 * 4), 1),)


# ---- the update ---------------------------------------------------------------------------------


def test_optimizers_have_bytes(tmp_path: Path) -> None:
    def parameters() -> list[Any]:
        made = [nn.Parameter(torch.zeros(4, 3)) for _ in range(5)]
        for one in made:
            one.grad = torch.ones(4, 3)
        return made

    whole = 5 * 12 * 4
    made = parameters()
    # SGD: parameter and gradient read, parameter written.
    single = torch.optim.SGD(made, lr=0.1, foreach=False)
    several = torch.optim.SGD(parameters(), lr=0.1, foreach=True)
    fused = torch.optim.Adam(parameters(), fused=True)
    for one in (single, several, fused):
        one.step()
    rows, uncounted = probe(torch, tmp_path, single=single.step, several=several.step, fused=fused.step)
    assert uncounted == ()
    assert {row.path[0]: (row.flops, row.dtype) for row in rows} == dict.fromkeys(
        ("single", "several", "fused"), (0, "float32")
    )
    moved = {row.path[0]: row.bytes for row in rows}
    assert moved["single"] == moved["several"] == 3 * whole
    # Adam: parameter, gradient and two averages read, all but the gradient written; and a few bytes for
    # the counts of the steps.
    assert whole * 7 <= moved["fused"] <= whole * 7 + 5 * 32


def test_updates_of_more_tensors_than_the_trace_has_shapes_of(tmp_path: Path) -> None:
    many = [nn.Parameter(torch.ones(4, 3)) for _ in range(30)] + [nn.Parameter(torch.ones(7))]
    fused = torch.optim.Adam(many, fused=True)

    def backward() -> None:
        for _ in range(2):
            sum(one.sum() for one in many).backward()

    backward()
    fused.step()
    rows, uncounted = probe(torch, tmp_path, backward=backward, update=fused.step)
    assert uncounted == ()
    # Four lists read and three written, each of the size of all gradients; counts of steps.
    whole = 4 * (30 * 12 + 7)
    moved = sum(row.bytes for row in rows if row.path == ("update",))
    assert 7 * whole <= moved <= 7 * whole + 31 * 32
    rows, uncounted = probe(torch, tmp_path, update=fused.step)
    assert uncounted == ("aten::_fused_adam_",)


@pytest.mark.parametrize("keep", [True, False])
def test_many_parameters_of_one_shape(tmp_path: Path, keep: bool) -> None:
    same = [nn.Parameter(torch.ones(4, 3)) for _ in range(40)]
    fused = torch.optim.SGD(same, lr=0.1, fused=True)

    def backward() -> None:
        sum(one.sum() for one in same).backward()

    backward()
    if not keep:
        fused.zero_grad()
    rows, _ = probe(torch, tmp_path, backward=backward, update=fused.step)
    # Parameter and gradient read, parameter written.
    assert [row.bytes for row in rows if row.path == ("update",)] == [3 * 40 * 12 * 4]


def test_a_number_makes_no_list_of_double_precision(tmp_path: Path) -> None:
    some = [torch.ones(4, 3) for _ in range(3)]
    torch._foreach_mul_(some, 0.9)
    rows, _ = probe(torch, tmp_path, update=lambda: torch._foreach_mul_(some, 0.9))
    whole = 3 * 12 * 4
    assert {row.dtype for row in rows if row.bytes > whole // 2} == {"float32"}
    # Read and written, and for each tensor the number.
    assert 2 * whole <= sum(row.bytes for row in rows) <= 2 * whole + 3 * (8 + 8 + 8)


def test_sparse_gradients_are_not_as_large_as_the_table(tmp_path: Path) -> None:
    table, picked = nn.Embedding(1000, 16, sparse=True), torch.arange(5)
    update = torch.optim.SGD(table.parameters(), lr=0.1)
    table(picked).sum().backward()
    table.weight.grad = None
    rows, uncounted = probe(
        torch,
        tmp_path,
        backward=lambda: table(picked).sum().backward(),
        update=update.step,
        product=lambda: torch.mm(torch.eye(50).to_sparse(), torch.ones(50, 2)),
    )
    assert sum(row.bytes for row in rows if row.path != ("product",)) < 1000 * 16 * 4 / 10
    assert uncounted == ("aten::mm",)
    assert all(row.flops == 0 for row in rows)


def test_what_cannot_be_counted_is_named(tmp_path: Path) -> None:
    square = torch.eye(4)
    rows, uncounted = probe(
        torch,
        tmp_path,
        solve=lambda: torch.linalg.inv(square),
        integers=lambda: torch._int_mm(*[torch.ones(32, 32, dtype=torch.int8)] * 2),
        norm=lambda: torch.linalg.vector_norm(square),
    )
    assert uncounted == ("aten::_int_mm", "aten::linalg_inv")
    assert all(row.flops == 0 for row in rows)
    assert {row.path[0] for row in rows} >= {"solve", "integers", "norm"}
