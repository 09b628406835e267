"""How much of the batch is filling, from an embedding's index for it and from what the loss leaves out."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")
from looked_at import MODEL, Program  # noqa: E402
from torch import nn  # noqa: E402

from rnnprof.anatomy import Anatomy  # noqa: E402
from rnnprof.traces.probe.filling import MOST_CALLS, PaddingLook  # noqa: E402
from rnnprof.traces.probe.looks import Looks  # noqa: E402


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = list(vars(nn.Module).items()), type(torch._C._nn)
    yield
    assert (list(vars(nn.Module).items()), type(torch._C._nn)) == before


def rows(anatomy: Anatomy) -> list[tuple[str, int, int, bool, int]]:
    assert anatomy.missing == ()
    return sorted(
        (one.how, one.padding, one.total, one.packed, one.line.line if one.line else 0)
        for one in anatomy.padding
    )


def test_both_ways_count_within_a_function_that_makes_the_batch(tmp_path):
    text = """
encoder, decoder = nn.Embedding(10, 4, padding_idx=0), nn.Linear(4, 10)
def step():
    x = torch.tensor([[3, 1, 2, 4], [5, 6, 0, 0], [7, 0, 0, 0]])
    y = torch.tensor([[1, 2, 4, 9], [6, 9, -1, -1], [9, -1, -1, -1]])
    output = decoder(encoder(x.t().contiguous()))  # input
    loss = F.cross_entropy(output.view(-1, 10), y.t().reshape(-1), ignore_index=-1)  # loss
    loss.backward()
"""
    program = Program(tmp_path, text)
    assert rows(program.look(PaddingLook)) == [
        ("embedding", 5, 12, False, program.marked("input")),
        ("targets", 5, 12, False, program.marked("loss")),
    ]


def test_what_never_goes_back_is_counted_when_the_step_is_over(tmp_path):
    text = """
encoder = nn.Embedding(10, 4, padding_idx=-10)
x = torch.tensor([[0, 1], [0, 0]])
def step():
    encoder(x[:, 1])  # here
"""
    program = Program(tmp_path, text)
    assert rows(program.look(PaddingLook)) == [("embedding", 1, 2, False, program.marked("here"))]


def test_what_is_gone_by_then_is_missing(tmp_path):
    text = """
encoder = nn.Embedding(10, 4, padding_idx=0)
def step():
    with torch.no_grad():
        encoder(torch.tensor([0, 1]))
"""
    anatomy = Program(tmp_path, text).look(PaddingLook)
    assert anatomy.padding == ()
    assert anatomy.missing == (("padding", "the batch was gone before it could be looked at"),)


def test_what_was_changed_meanwhile_is_not_counted(tmp_path):
    text = """
encoder, x = nn.Embedding(10, 4, padding_idx=0), torch.tensor([0, 1])
def step():
    encoder(x)
    x.fill_(0)
"""
    anatomy = Program(tmp_path, text).look(PaddingLook)
    assert anatomy.missing == (("padding", "the batch was gone before it could be looked at"),)


def test_packed_sequences(tmp_path):
    text = """
from torch.nn.utils.rnn import pack_padded_sequence
encoder, rnn = nn.Embedding(10, 4, padding_idx=0), nn.GRU(4, 4)
x = torch.tensor([[3, 1, 2], [5, 6, 0]])
def step():
    rnn(pack_padded_sequence(encoder(x.t()), [3, 2]))[1].sum().backward()  # here
"""
    program = Program(tmp_path, text)
    assert rows(program.look(PaddingLook)) == [("embedding", 1, 6, True, program.marked("here"))]


@pytest.mark.parametrize(
    ("loss", "targets", "expected"),
    [
        ("nn.CrossEntropyLoss()", "[1, 2, 3]", []),
        ("nn.CrossEntropyLoss()", "[1, -100, -100]", [(2, 3)]),
        ("nn.CrossEntropyLoss(ignore_index=0)", "[1, 2, 3]", [(0, 3)]),
        ("nn.NLLLoss(ignore_index=0)", "[1, 0, 3]", [(1, 3)]),
        ("nn.CrossEntropyLoss()", "[[0.1] * 10] * 3", []),
    ],
)
def test_what_a_loss_leaves_out(tmp_path, loss, targets, expected):
    text = f"""
criterion, output = {loss}, torch.zeros(3, 10, requires_grad=True)
def step():
    criterion(output, torch.tensor({targets})).backward()
"""
    found = rows(Program(tmp_path, text).look(PaddingLook))
    assert [(padding, total) for _, padding, total, *_ in found] == expected


def test_where_nothing_tells_filling_there_is_none(tmp_path):
    assert rows(Program(tmp_path, MODEL + "def step():\n    loss().backward()\n").look(PaddingLook)) == []


def test_calls_of_a_line_are_added_up_to_a_bound(tmp_path):
    text = f"""
encoder, x = nn.Embedding(10, 4, padding_idx=0), torch.tensor([0, 1, 2])
def step():
    sum(encoder(x).sum() for _ in range({MOST_CALLS + 2})).backward()  # here
"""
    program = Program(tmp_path, text)
    assert rows(program.look(PaddingLook)) == [
        ("embedding", MOST_CALLS, 3 * MOST_CALLS, False, program.marked("here"))
    ]


def test_on_another_device_the_count_is_read_after_the_step(tmp_path):
    # A meta tensor has no numbers: to read one would fail.
    text = """
encoder = nn.Embedding(10, 4, padding_idx=0, device="meta")
x = torch.zeros(3, dtype=torch.long, device="meta")
def step():
    encoder(x).sum().backward()
"""
    program = Program(tmp_path, text)
    program.names["step"]()
    looks = Looks((PaddingLook,))
    looks.start(torch, "meta", tuple, None)
    program.names["step"]()
    looks.stop()
    ((field, why),) = looks.anatomy().missing
    assert field == "padding"
    assert "meta" in why


def test_nothing_is_kept_alive_and_nothing_is_recorded(tmp_path):
    text = """
encoder = nn.Embedding(10, 4, padding_idx=0)
def step():
    x = torch.tensor([0, 1])
    encoder.zero_grad()
    with torch.autograd.profiler.profile(profile_memory=True) as profiler:
        encoder(x).sum().backward()
    return x, sorted((one.name, one.cpu_memory_usage) for one in profiler.function_events)
"""
    program = Program(tmp_path, text)
    program.names["step"]()
    _, before = program.names["step"]()
    looks = Looks((PaddingLook,))
    looks.start(torch, "cpu", tuple, None)
    x, inside = program.names["step"]()
    looks.stop()
    assert inside == before
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None
    assert rows(looks.anatomy())[0][:3] == ("embedding", 1, 2)
