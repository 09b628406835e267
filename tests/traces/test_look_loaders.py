"""The data loaders that a batch is fetched from in the step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")
from looked_at import Program  # noqa: E402
from torch.utils.data import dataloader  # noqa: E402

from rnnprof.anatomy import Loader  # noqa: E402
from rnnprof.traces.probe.loaders import LoadersLook  # noqa: E402

HEAD = """
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Subset, TensorDataset
class Lines(Dataset):
    asked = 0
    def __init__(self):
        self.lines = list(range(20))
    def __len__(self):
        return len(self.lines)
    def __getitem__(self, index):
        return self.lines[index]
class Odd(Lines):
    def __len__(self):
        Odd.asked += 1
        return 20
class Counted(Lines):
    def __len__(self):
        return self.count()
    def count(self):
        return 20
class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(100))
"""
STEP = """
batches = iter(loader)
def step():
    next(batches)
"""


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = list(vars(dataloader._BaseDataLoaderIter).items())
    yield
    assert list(vars(dataloader._BaseDataLoaderIter).items()) == before


def loader(**known: object) -> Loader:
    usual = {"workers": 0, "batch_size": 1, "items": 20, "drop_last": False, "pin_memory": False}
    return Loader(**(usual | {"persistent": False} | known))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("DataLoader(Lines(), 6, shuffle=True)", loader(batch_size=6)),
        ("DataLoader(Lines(), 6, drop_last=True)", loader(batch_size=6, drop_last=True)),
        ("DataLoader(Lines(), batch_size=None)", loader(batch_size=None)),
        ("DataLoader([*range(20)], 6)", loader(batch_size=6)),
        ("DataLoader(TensorDataset(torch.zeros(20)), 6)", loader(batch_size=6)),
        ("DataLoader(Subset(Lines(), range(8)), 2)", loader(batch_size=2, items=8)),
        (
            "DataLoader(Lines(), batch_sampler=BatchSampler([1] * 9, 2, True))",
            loader(batch_size=2, drop_last=True),
        ),
        ("DataLoader(Lines(), batch_sampler=[[0, 1]] * 5)", loader(batch_size=None)),
        ("DataLoader(Stream(), 5)", loader(batch_size=5, items=None)),
        ("DataLoader(Counted(), 5)", loader(batch_size=5, items=None)),
    ],
)
def test_what_is_known_of_it(tmp_path, made, expected):
    anatomy = Program(tmp_path, f"{HEAD}loader = {made}\n{STEP}").look(LoadersLook)
    assert (anatomy.loaders, anatomy.missing) == ((expected,), ())


def test_with_workers(tmp_path):
    text = "loader = DataLoader(Lines(), 2, num_workers=1, persistent_workers=True)\n"
    program = Program(tmp_path, HEAD + text + STEP)
    try:
        anatomy = program.look(LoadersLook)
    finally:
        program.names["batches"]._shutdown_workers()
    assert anatomy.loaders == (loader(workers=1, batch_size=2, persistent=True),)


def test_a_length_that_runs_code_of_the_programs_is_not_asked_for(tmp_path):
    program = Program(tmp_path, f"{HEAD}loader = DataLoader(Odd(), 2)\n{STEP}")
    program.names["step"]()
    before = program.names["Odd"].asked
    assert program.look(LoadersLook, steps=0).loaders == (loader(batch_size=2, items=None),)
    assert program.names["Odd"].asked == before


def test_two_loaders_in_a_loop(tmp_path):
    text = """
def step():
    for a, b in zip(DataLoader(Lines(), 10), DataLoader(Lines(), 5)):
        pass
"""
    anatomy = Program(tmp_path, HEAD + text).look(LoadersLook)
    assert anatomy.loaders == (loader(batch_size=10), loader(batch_size=5))


def test_a_batch_fetched_before_the_step_is_not_seen(tmp_path):
    anatomy = Program(tmp_path, f"{HEAD}loader = DataLoader(Lines())\ndef step():\n    pass\n").look(
        LoadersLook
    )
    assert anatomy.loaders == ()
    assert anatomy.missing == (("loaders", "no batch of a DataLoader was fetched within the step"),)


def test_an_end_and_an_error_pass_through(tmp_path):
    text = """
class Broken(Lines):
    def __getitem__(self, index):
        raise ValueError("line 3")
def step():
    assert next(iter(DataLoader([])), None) is None
    try:
        next(iter(DataLoader(Broken())))
    except ValueError as error:
        assert str(error) == "line 3"
    else:
        raise AssertionError
"""
    anatomy = Program(tmp_path, HEAD + text).look(LoadersLook)
    assert [one.items for one in anatomy.loaders] == [0, 20]


def test_a_loader_that_is_begun_again_is_one(tmp_path):
    text = """
loader = DataLoader(Lines(), batch_size=4)
def step():
    for _ in range(3):
        next(iter(loader))
"""
    anatomy = Program(tmp_path, HEAD + text).look(LoadersLook)
    assert [(one.items, one.batch_size) for one in anatomy.loaders] == [(20, 4)]
