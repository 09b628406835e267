"""Where the host waits: found by name and line, and nothing else changes while that is looked for."""

from __future__ import annotations

import copyreg
import ctypes
import operator
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import rnnprof  # noqa: E402
from rnnprof.probes import MOST_WAITS  # noqa: E402
from rnnprof.traces.probe.waits import Waits  # noqa: E402
from rnnprof.traces.probe.ways_to_wait import CALLS  # noqa: E402

SYNC = "called a synchronizing CUDA operation (Triggered internally at CUDAFunctions.cpp:129.)"


class Step:
    """A program in a file, run as one step.

    A comment ``# way`` or ``# way way`` at the end of a line says what is to be found in it.
    """

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "program.py"
        self.file.write_text(text)
        self.names: dict[str, Any] = {"torch": torch, "nn": nn, "F": nn.functional, "__name__": "program"}
        self.stage: tuple[str, ...] = ()
        self.names["stage"] = self._stage
        self._code = compile(text, str(self.file), "exec")

    def _stage(self, *path: str) -> None:
        self.stage = path

    def expected(self) -> list[tuple[int, str]]:
        lines = enumerate(self.file.read_text().splitlines(), start=1)
        found = [(number, re.search(r"# ([a-z_ ]+)$", line)) for number, line in lines]
        return [(number, way) for number, match in found if match for way in sorted(match[1].split())]

    def run(self, device: str = "cpu") -> Waits:
        waits = Waits(torch, device, lambda: self.stage, Ticks())
        waits.start()
        try:
            exec(self._code, self.names)
        finally:
            waits.stop()
        return waits


class Ticks:
    """A clock that goes on by 1 ns each time it is read."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        self.ns += 1
        return self.ns


def found(waits: Waits) -> list[tuple[int, str]]:
    return sorted((row.line, row.way) for row in waits.found()[0])


def state() -> list[Any]:
    """All that could be left changed: attributes in their order, slots, and the state of warnings."""
    classes = [torch.Tensor, nn.Parameter, torch.cuda.Stream, torch.cuda.Event]
    modules = [torch, torch.linalg, nn.functional, torch.cuda, torch.accelerator, warnings]
    owned = [[(name, id(value)) for name, value in vars(owner).items()] for owner in classes]
    # torch adds modules to itself when they are first used.
    names = {call.name for call in CALLS} | {"_showwarnmsg", "showwarning", "filters", "set_sync_debug_mode"}
    owned += [[(name, id(value)) for name, value in vars(one).items() if name in names] for one in modules]
    return [*owned, [id(one) for one in warnings.filters], *map(_slots, classes[:2])]


def _slots(cls: Any) -> list[int]:
    # All slots of a type but its flags, its version, and what the interpreter keeps to itself at its end.
    words = (ctypes.c_size_t * (type.__basicsize__ // 8)).from_address(id(cls))
    return [words[index] for index in range(5, 101) if index not in (21, 48)]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    # torch imports it at an optimizer's first step, and it adds to the filters of warnings.
    import torch._dynamo.eval_frame as frames

    # What other tests have compiled is no matter here.
    backends = frames.cached_backends
    compiled = dict(backends)
    backends.clear()
    # What `copyreg` notes at the first pickling.
    copyreg._slotnames(torch.Tensor)  # type: ignore[attr-defined]
    before, threads = state(), torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    backends.clear()
    backends.update(compiled)
    assert state() == before


MODEL = """
torch.manual_seed(0)
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.rnn = nn.Embedding(20, 8), nn.LSTM(8, 8, 2, dropout=0.5)
        self.decoder = nn.Linear(8, 20)
    def forward(self, x, hidden):
        output, hidden = self.rnn(self.encoder(x), hidden)
        return F.log_softmax(self.decoder(output).view(-1, 20), dim=1), hidden
model = Model()
data = torch.randint(20, (41, 4))
hidden = (torch.zeros(2, 4, 8), torch.zeros(2, 4, 8))
def step(i=0):
    global hidden
    stage("get_batch")
    x, y = data[i:i + 5], data[i + 1:i + 6].view(-1)
    stage("repackage")
    hidden = tuple(one.detach() for one in hidden)
    stage("zero_grad")
    model.zero_grad(set_to_none=True)
    stage("forward")
    output, hidden = model(x, hidden)
    loss = F.nll_loss(output, y)
    stage("backward")
    loss.backward()
    stage("clip")
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    stage("update")
    for p in model.parameters():
        p.data.add_(p.grad, alpha=-0.1)
    stage()
    return loss
"""


# ---- what is found ------------------------------------------------------------------------------


def test_a_word_language_model_without_waits_has_none(tmp_path):
    waits = Step(tmp_path, MODEL + "step()\n").run()
    assert waits.failure is None
    assert waits.found() == ((), 0)


def test_each_way_is_found_in_its_line(tmp_path):
    text = """
loss = step().detach()
total = 0
stage("log")
total += loss.item()  # item
print(loss)  # print
text = f"{loss:.2f} {loss!r}"  # print print
if loss > 100:  # condition
    pass
assert torch.isfinite(loss)  # condition
value = float(loss) + int(loss)  # number number
numbers = loss.view(1).tolist()  # tolist
host = loss.detach().cpu()  # cpu
host.item()
array = loss.detach().cpu().numpy()  # cpu
loss.to("cpu")  # cpu
loss.to(loss.device)
places = data.nonzero()  # nonzero
places = data.argwhere()  # nonzero
same = torch.where(data > 3, data, data)
chosen = data.masked_select(data > 3)  # mask
row = data[1], data[[0, 1]], data[torch.tensor([0, 1])], data[..., None]
kinds = data.unique()  # unique
counts = data.view(-1).bincount()  # bincount
data.repeat_interleave(torch.tensor([1] * 41), dim=0)  # repeats
data.repeat_interleave(repeats=torch.tensor(2))  # repeats
data.repeat_interleave(2, dim=0)
data.equal(data)  # equal
3 in data  # equal
torch.eye(2).inverse()  # linalg
nn.utils.clip_grad_norm_(model.parameters(), 0.25, error_if_nonfinite=True)  # clip
"""
    program = Step(tmp_path, MODEL + text)
    waits = program.run()
    rows, more = waits.found()
    assert found(waits) == program.expected()
    assert more == 0
    assert {row.file for row in rows} == {str(program.file)}
    assert {row.path for row in rows} == {("log",)}
    assert {row.count for row in rows} == {1}
    assert {row.waited_ns for row in rows} == {None}
    by_way = {row.way: row for row in rows}
    assert by_way["item"].source == "total += loss.item()  # item"
    assert by_way["item"].function == "<module>"
    assert (by_way["item"].call, by_way["item"].library) == ("Tensor.item", "")
    assert re.fullmatch(r"clip_grad\.py:\d+", by_way["clip"].library)
    assert by_way["clip"].call == "clip_grad_norm_(error_if_nonfinite=True)"


def test_calls_from_one_place_are_added_up_by_stage(tmp_path):
    text = """
loss = step()
def log():
    return loss.item()  # item
for name in ("a", "b", "a", "a"):
    stage(name)
    log()
"""
    rows, _ = Step(tmp_path, MODEL + text).run().found()
    assert [(row.path, row.count, row.function) for row in rows] == [(("a",), 3, "log"), (("b",), 1, "log")]


def test_more_places_than_are_kept_are_counted(tmp_path):
    text = "loss = torch.ones(())\n" + "loss.item()\n" * (MOST_WAITS + 7)
    rows, more = Step(tmp_path, text).run().found()
    assert (len(rows), more) == (MOST_WAITS, 7)


OPTIMIZERS = """
for _ in range(3):
    for one in parameters:
        one.grad = torch.ones(2, 2)
    optimizer.step()
    optimizer.zero_grad()
"""


@pytest.mark.parametrize(
    "optimizer",
    [
        "SGD(parameters, lr=0.1, momentum=0.9)",
        "Adam(parameters)",
        "Adam(parameters, foreach=True)",
        "Adam(parameters, fused=True)",
        "Adam(parameters, lr=torch.tensor(0.1), foreach=False)",
        "AdamW(parameters)",
        "AdamW(parameters, foreach=True, amsgrad=True)",
        "NAdam(parameters)",
        "RAdam(parameters, foreach=False)",
        "Adamax(parameters)",
        "Adagrad(parameters)",
        "RMSprop(parameters)",
    ],
)
def test_what_an_optimizer_counts_on_the_host_is_no_wait(tmp_path, optimizer):
    program = Step(tmp_path, OPTIMIZERS)
    parameters = [nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    made = eval(optimizer, vars(torch.optim), {"torch": torch, "parameters": parameters})
    program.names |= {"parameters": parameters, "optimizer": made}
    assert program.run().found() == ((), 0)


def test_an_optimizer_that_reads_the_loss_waits(tmp_path):
    text = """
p = nn.Parameter(torch.ones(2))
optimizer = torch.optim.LBFGS([p], max_iter=2)
def closure():
    optimizer.zero_grad()
    loss = (p ** 2).sum()
    loss.backward()
    return loss
optimizer.step(closure)  # number
"""
    program = Step(tmp_path, text)
    rows, _ = program.run().found()
    assert {(row.line, row.library.partition(":")[0]) for row in rows} == {(9, "lbfgs.py")}
    assert {row.way for row in rows} >= {"number", "condition"}


HEALTHY = {
    "packed": """
rnn = nn.GRU(4, 4)
packed = nn.utils.rnn.pack_padded_sequence(torch.ones(5, 3, 4), torch.tensor([5, 3, 2]))
output, hidden = rnn(packed)
nn.utils.rnn.pad_packed_sequence(output)[0].sum().backward()
""",
    "unsorted": """
rnn = nn.LSTM(4, 4, bidirectional=True)
lengths = [2, 5, 3]
packed = nn.utils.rnn.pack_padded_sequence(torch.ones(5, 3, 4), lengths, enforce_sorted=False)
nn.utils.rnn.pad_packed_sequence(rnn(packed)[0])[0].sum().backward()
""",
    "transformer": """
layer = nn.TransformerEncoderLayer(8, 2, 16)
model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
mask = nn.Transformer.generate_square_subsequent_mask(5)
model(torch.ones(5, 2, 8), mask=mask, is_causal=True).sum().backward()
""",
    "autocast": """
model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.LayerNorm(4))
with torch.autocast("cpu", dtype=torch.bfloat16):
    loss = model(torch.ones(2, 4)).float().pow(2).mean()
loss.backward()
""",
    "loader": """
from torch.utils.data import DataLoader, Dataset
class Data(Dataset):
    numbers = torch.arange(8)
    def __len__(self):
        return 8
    def __getitem__(self, i):
        return self.numbers[i].item(), float(self.numbers[i])
for batch in DataLoader(Data(), batch_size=2, shuffle=True):
    batch[0].to(batch[1].device)
""",
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_step_has_no_wait(tmp_path, name):
    assert Step(tmp_path, HEALTHY[name]).run().found() == ((), 0)


def test_what_torch_itself_reads_is_told_by_what_the_program_called(tmp_path):
    text = """
model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False)
model(torch.ones(5, 2, 8), mask=nn.Transformer.generate_square_subsequent_mask(5))  # causal
nn.utils.clip_grad_norm_([nn.Parameter(torch.ones(1))], 1.0, error_if_nonfinite=True)
normal = torch.distributions.Normal(torch.ones(2), torch.ones(2), validate_args=True)  # validate
p = nn.Parameter(torch.ones(2))
optimizer, scaler = torch.optim.SGD([p], lr=0.1), torch.amp.GradScaler("cpu")
scaler.scale(p.sum()).backward()
scaler.step(optimizer)  # scaler
scaler.update()
"""
    program = Step(tmp_path, text)
    waits = program.run()
    assert sorted(set(found(waits))) == program.expected()
    assert all(row.library for row in waits.found()[0])


def test_a_call_inside_another_is_the_other_ones(tmp_path):
    text = "import io\nt = torch.ones(3)\nprint(t)  # print\ntorch.save(t, io.BytesIO())\n"
    program = Step(tmp_path, text)
    assert found(program.run()) == program.expected()


def test_a_librarys_line_is_told_with_the_programs(tmp_path):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    library = Step(folder, "def read(t):\n    return t.item()\n")
    exec(library._code, library.names)
    program = Step(tmp_path, "read(torch.ones(()))\n")
    program.names["read"] = library.names["read"]
    (row,) = program.run().found()[0]
    assert (row.file, row.line, row.function) == (str(program.file), 1, "<module>")
    assert (row.library, row.source) == ("program.py:2", "read(torch.ones(()))")


@pytest.mark.parametrize(("folder", "count"), [("", 0), ("examples", 1)])
def test_what_rnnprof_reads_itself_is_no_wait_of_the_program(tmp_path, folder, count):
    file = Path(rnnprof.__file__).parent / folder / "reads.py"
    names: dict[str, Any] = {}
    exec(compile("def read(t):\n    return t.item()\n", str(file), "exec"), names)
    program = Step(tmp_path, "read(torch.ones(()))\n")
    program.names |= names
    rows, _ = program.run().found()
    assert [(row.file, row.line) for row in rows] == [(str(file), 2)] * count


def test_a_path_that_fails_is_not_the_programs_failure(tmp_path):
    def fail() -> tuple[str, ...]:
        raise RuntimeError("no stage")

    waits = Waits(torch, "cpu", fail, Ticks())
    waits.start()
    try:
        assert torch.ones(()).item() == 1.0
    finally:
        waits.stop()
    assert waits.found() == ((), 0)


# ---- on an accelerator --------------------------------------------------------------------------


class There(torch.Tensor):
    """A tensor that says it is on an accelerator."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = torch.device("xpu")  # type: ignore[assignment]


class OnCuda(There):
    device = torch.device("cuda")  # type: ignore[assignment]


def _there(cls: Any) -> Any:
    return torch.ones(()).as_subclass(cls)


def test_without_a_debug_mode_the_rules_say_which_calls_on_the_device_wait(tmp_path):
    program = Step(tmp_path, "there.item()  # item\nhere.item()\nthere.item(); there.item()  # item\n")
    program.names |= {"there": _there(There), "here": torch.ones(())}
    rows, _ = program.run("xpu").found()
    assert [(row.line, row.way, row.count, row.waited_ns) for row in rows] == [
        (3, "item", 2, 2),
        (1, "item", 1, 1),
    ]


def test_copies_to_the_device_wait_unless_they_are_pinned_and_late(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: self)
    text = """
here.to("xpu")  # upload
here.to(device, non_blocking=True)  # upload
pinned.to(device)  # upload
pinned.to(device, non_blocking=True)
pinned.to(device, torch.float32, True)
here.to(torch.float32)
there.to("cpu")  # cpu
there.to("cpu", non_blocking=True)
there.to(device)
there.copy_(here)  # upload
there.copy_(pinned, non_blocking=True)
here.copy_(there)  # cpu
here.copy_(here)
"""
    program = Step(tmp_path, text)
    pinned = torch.ones(()).as_subclass(type("Pinned", (There,), {"device": torch.device("cpu")}))
    pinned.is_pinned = lambda: True
    names = {
        "there": _there(There),
        "here": torch.ones(()),
        "pinned": pinned,
        "device": torch.device("xpu:0"),
    }
    program.names |= names
    assert found(program.run("xpu")) == program.expected()


@pytest.fixture
def debug_mode(monkeypatch) -> list[Any]:
    """A stand-in for CUDA's debug mode: the modes that were set, the present one last."""
    modes: list[Any] = [0]

    def set_mode(mode: Any) -> None:
        warnings.warn("Synchronization debug mode is a prototype feature", UserWarning, stacklevel=2)
        modes.append({"default": 0, "warn": 1, "error": 2}.get(mode, mode))

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", set_mode)
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: modes[-1])
    return modes


@pytest.fixture
def waiting_item(monkeypatch) -> None:
    """`item` waits as C code does: the warning is the caller's frame's."""

    def item(self: Any) -> float:
        if self.device.type == "cuda":
            warnings.warn(SYNC, UserWarning, stacklevel=2)
        return 1.0

    monkeypatch.setattr(torch.Tensor, "item", item)


def test_cuda_says_itself_which_calls_wait(tmp_path, debug_mode, waiting_item):
    text = """
there.item()  # item
there.item(); there.item()  # item
there.tolist()
torch.cuda.synchronize()  # synchronize
warn(SYNC)  # other
def loop():
    warn(SYNC)  # other
for _ in range(3):
    stage("log")
    loop()
"""
    program = Step(tmp_path, text)
    program.names |= {"there": _there(OnCuda), "SYNC": SYNC, "warn": warnings.warn}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "synchronize", lambda: None)
        waits = program.run("cuda")
    rows, _ = waits.found()
    assert waits.failure is None
    assert found(waits) == program.expected()
    assert debug_mode == [0, 1, 0]
    assert [(row.line, row.count, row.waited_ns) for row in rows if row.way == "item"] == [
        (3, 2, 2),
        (2, 1, 1),
    ]
    others = [row for row in rows if row.way == "other"]
    assert [(row.path, row.line, row.count, row.waited_ns) for row in others] == [
        (("log",), 8, 3, None),
        ((), 6, 1, None),
    ]
    assert "__warningregistry__" not in program.names


def test_what_torch_saves_is_told_by_its_storage(tmp_path, debug_mode):
    # As `torch.save` asks for it; a storage has no stand-ins.
    file = Path(torch.__file__).parent / "storage.py"
    names: dict[str, Any] = {"warn": warnings.warn, "SYNC": SYNC}
    exec(compile("def cpu():\n    warn(SYNC)\n", str(file), "exec"), names)
    program = Step(tmp_path, "save()  # save\n")
    program.names["save"] = names["cpu"]
    waits = program.run("cuda")
    assert found(waits) == program.expected()
    (row,) = waits.found()[0]
    assert (row.call, row.library) == ("torch.save", "storage.py:2")


def test_functions_of_modules_are_not_touched():
    before = {name: dict(vars(one)) for name, one in sys.modules.items() if name.startswith("torch")}
    waits = Waits(torch, "cpu", tuple, Ticks())
    waits.start()
    try:
        changed = {
            f"{name}.{key}"
            for name, own in before.items()
            for key, value in vars(sys.modules[name]).items()
            if key in own and own[key] is not value
        }
    finally:
        waits.stop()
    compilers = {"torch.compile", "torch._dynamo.optimize", "torch.export.export"}
    assert changed <= compilers


@pytest.mark.parametrize(("device", "owners"), [("cuda", ("cuda",)), ("xpu", ("xpu",)), ("cpu", ())])
def test_what_only_waits_is_watched_where_it_can(device, owners):
    explicit = {call.owner.partition(".")[0] for call in CALLS if call.explicit and call.concerns(device)}
    assert explicit == {*owners, *(("accelerator", "distributed") if owners else ())}
    assert all(call.owner == "Tensor" for call in CALLS if not call.explicit)


@pytest.mark.parametrize("own", [1, 2])
def test_a_program_that_uses_the_debug_mode_itself_keeps_it(tmp_path, debug_mode, waiting_item, own):
    debug_mode[:] = [own]
    program = Step(tmp_path, "there.item()\n")
    program.names["there"] = _there(OnCuda)
    with pytest.warns(UserWarning, match=re.escape(SYNC)) as seen:
        waits = program.run("cuda")
    assert debug_mode == [own]
    assert [(one.filename, one.lineno) for one in seen] == [(str(program.file), 1)]
    assert found(waits) == [(1, "item")]


def test_a_debug_mode_that_fails_is_a_failure_of_the_probe_alone(tmp_path, monkeypatch):
    def fail() -> int:
        raise RuntimeError("no driver")

    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", fail)
    waits = Step(tmp_path, "torch.ones(()).item()\n").run("cuda")
    assert waits.failure == "waits for the device were not looked at: RuntimeError: no driver"
    assert waits.found() == ((), 0)


def test_another_threads_waits_are_not_the_steps(tmp_path, debug_mode, waiting_item):
    program = Step(tmp_path, "thread.start(); thread.join()\nthread = None\n")
    there = _there(OnCuda)
    program.names["thread"] = threading.Thread(
        target=lambda: (there.item(), warnings.warn(SYNC, stacklevel=1))
    )
    assert program.run("cuda").found() == ((), 0)


# ---- nothing else changes -----------------------------------------------------------------------


def test_results_are_the_same_to_the_bit(tmp_path):
    text = (
        MODEL + "losses = [step(i) for i in range(3)]\nlast = [one.clone() for one in model.parameters()]\n"
    )
    plain, looked = Step(tmp_path, text), Step(tmp_path, text)
    exec(plain._code, plain.names)
    looked.run()
    for name in ("losses", "last"):
        assert all(map(torch.equal, plain.names[name], looked.names[name]))


def test_all_is_put_back_when_the_step_raises(tmp_path):
    before = state()
    with pytest.raises(ValueError, match="the program's"):
        Step(tmp_path, "torch.ones(()).item()\nraise ValueError('the program\\'s')\n").run()
    assert state() == before


def test_an_error_is_the_same_and_points_to_the_same_lines(tmp_path):
    texts = []
    for run in (lambda step: exec(step._code, step.names), lambda step: step.run()):
        step = Step(tmp_path, "def read(t):\n    return t.item()\nread(torch.ones(2))\n")
        with pytest.raises(RuntimeError) as caught:
            run(step)
        lines, trace = [], caught.value.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(step.file):
                lines.append((trace.tb_frame.f_code.co_name, trace.tb_lineno))
            trace = trace.tb_next
        texts.append((str(caught.value), lines))
    assert texts[0] == texts[1]


def as_c_sees_it(tensor: Any) -> list[Any]:
    """What Python's own functions make of a tensor, which they ask for by its type's slots."""
    one, found = ctypes.py_object(tensor), []
    for name in ("PySequence_Check", "PyMapping_Check", "PyNumber_Check", "PyIndex_Check"):
        check = getattr(ctypes.pythonapi, name)
        check.argtypes, check.restype = [ctypes.py_object], ctypes.c_int
        found.append(check(one))
    last = tensor[-1]
    numbers = [operator.index(last.long()), len(tensor), 2 in tensor, 9 in tensor, bool(last), complex(last)]
    return [*found, *numbers, float(last), int(last), repr(tensor), f"{last}", [*map(int, tensor)]]


def test_a_type_is_the_same_to_c_before_in_and_after_a_step():
    class Made(torch.Tensor):
        pass

    class Indexed(torch.Tensor):
        def __getitem__(self, place):
            return super().__getitem__(place)

    plain = torch.tensor([1.0, 2.0])
    classes: list[Any] = [torch.Tensor, nn.Parameter, Made, Indexed]

    def seen() -> list[Any]:
        tensors = [plain, nn.Parameter(plain, False), plain.as_subclass(Made), plain.as_subclass(Indexed)]
        pair = torch.tensor([torch.tensor(1.0), torch.tensor(2.0)]).tolist()
        return [pair, [as_c_sees_it(one) for one in tensors], [_slots(one) for one in classes]]

    waits = Waits(torch, "cpu", tuple, Ticks())
    before = seen()
    waits.start()
    try:
        inside, born = seen(), type("Born", (torch.Tensor,), {})
        as_made = as_c_sees_it(plain.as_subclass(born))
    finally:
        waits.stop()
    after = seen()
    assert before == inside == after
    assert as_made == as_c_sees_it(plain.as_subclass(born))
    assert as_made[:4] == before[1][2][:4]
    assert before[0] == [1.0, 2.0]


def test_no_method_is_watched_that_only_a_slot_has():
    kinds = {
        call.name: type(getattr(torch.Tensor, call.name, None)) for call in CALLS if call.owner == "Tensor"
    }
    assert [name for name, kind in kinds.items() if kind is type(object.__repr__)] == []


def test_a_program_that_puts_its_own_function_there_keeps_it(tmp_path):
    text = (
        "original = torch.Tensor.item\ndef item(self):\n    return original(self)\ntorch.Tensor.item = item\n"
    )
    program = Step(tmp_path, text + "torch.ones(()).item()\n")
    try:
        program.run()
        assert torch.Tensor.item is program.names["item"]
        assert torch.ones(()).item() == 1.0
    finally:
        del torch.Tensor.item


def test_a_mode_of_torch_functions_sees_the_original_functions(tmp_path):
    item, select = torch.Tensor.item, torch.Tensor.masked_select
    seen: list[Any] = []
    names: list[str] = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            seen.append(function)
            names.append(torch.overrides.resolve_name(function))
            return function(*args, **(kwargs or {}))

    class Sub(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            seen.append(function)
            return super().__torch_function__(function, types, args, kwargs or {})

    text = """
t = torch.ones(2)
with mode:
    t.sum().item()  # item
    t.masked_select(t > 0)  # mask
sub.item()  # item
"""
    program = Step(tmp_path, text)
    program.names |= {"mode": Mode(), "sub": torch.ones(()).as_subclass(Sub)}
    waits = program.run()
    assert [one for one in seen if one is item] == [item] * 2
    assert [one for one in seen if one is select] == [select]
    # Not what the rules ask for, such as the tensor's device.
    assert names == ["torch.Tensor.sum", "torch.Tensor.item", "torch.Tensor.gt", "torch.Tensor.masked_select"]
    assert len(seen) == 5
    assert found(waits) == program.expected()


def test_a_function_is_pickled_copied_and_described_as_without_us(tmp_path):
    text = """
import copy, inspect, pickle
def told(one):
    try:
        words = str(inspect.signature(one))
    except ValueError as error:
        words = str(error)
    return one.__name__, one.__qualname__, getattr(one, "__module__", None), one.__doc__, repr(one), words
for name in ("item", "cpu", "__float__", "__bool__", "__format__", "unique", "nonzero"):
    one = getattr(torch.Tensor, name)
    seen.append((pickle.dumps(one), copy.copy(one), copy.deepcopy(one), told(one), inspect.isroutine(one)))
t = torch.ones(())
bound = t.item
seen.append((pickle.loads(pickle.dumps(bound))(), copy.copy(bound)(), bound == t.item, bound.__self__ is t))
"""
    plain, looked = Step(tmp_path, text), Step(tmp_path, text)
    plain.names["seen"], looked.names["seen"] = [], []
    exec(plain._code, plain.names)
    looked.run()
    assert plain.names["seen"] == looked.names["seen"]
    assert type(looked.names["one"]) is not type(plain.names["one"])


@pytest.mark.parametrize("filled", [False, True])
def test_what_torch_looks_up_in_the_step_is_not_kept(tmp_path, filled):
    overrides = torch.overrides
    caches = [one for one in vars(overrides).values() if hasattr(one, "cache_info")]
    assert len(caches) > 2
    for one in caches:
        one.cache_clear()
    if filled:
        overrides.get_testing_overrides()
    before = [one.cache_info().currsize for one in caches]
    text = """
table = torch.overrides.get_testing_overrides()
found = torch.Tensor.item in table, torch.overrides.resolve_name(torch.Tensor.item)
kept = torch.overrides.is_tensor_method_or_property(torch.Tensor.item)
"""
    program = Step(tmp_path, text)
    program.run()
    assert program.names["found"] == (True, "torch.Tensor.item")
    assert program.names["kept"]
    after = [one.cache_info().currsize for one in caches]
    assert all(now <= size or filled for now, size in zip(after, before, strict=True))
    assert torch.Tensor.item in overrides.get_testing_overrides()
    assert not any(type(one).__module__.startswith("rnnprof") for one in overrides.get_testing_overrides())


def test_a_program_that_compiles_is_left_alone(tmp_path):
    text = """
before = torch.Tensor.item
doubled = torch.compile(lambda x: x * 2, backend="eager")
doubled(torch.ones(2)).sum().item()
"""
    exec(compile(text, "program.py", "exec"), {"torch": torch})
    waits = Step(tmp_path, "torch.ones(()).item()\nassert 'item' not in vars(torch.Tensor)\n").run()
    assert waits.failure is not None
    assert "compiles" in waits.failure
    assert waits.found() == ((), 0)


def test_what_is_compiled_within_the_step_is_compiled_without_us(tmp_path):
    text = """
def plain(x):
    return torch.where(x.to(torch.float64) > 0, x, -x)[0] + x.sum()
torch.ones(()).item()  # item
compiled = torch.compile(plain, backend="eager", fullgraph=True)
compiled(torch.ones(2, 2))
torch.ones(()).item()
"""
    program = Step(tmp_path, text)
    waits = program.run()
    assert waits.failure is not None
    assert "compiles" in waits.failure
    assert found(waits) == program.expected()
    frames = sys.modules["torch._dynamo.utils"].counters["frames"]  # type: ignore[attr-defined]
    before = frames["total"]
    program.names["compiled"](torch.ones(2, 2))
    assert frames["total"] == before


def test_what_is_scripted_within_the_step_is_as_without_us(tmp_path):
    def scripted(x: torch.Tensor) -> tuple[float, int, torch.Tensor]:
        if bool(x.sum() > 0):
            x = torch.where(x > 0, x, -x).cpu()
        return float(x.sum().item()), int(x.sum()), x.nonzero()

    text = "result = script(scripted)(torch.ones(2))\ntorch.ones(()).item()  # item\n"
    program = Step(tmp_path, text)
    program.names |= {"scripted": scripted, "script": torch.jit.script}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        waits = program.run()
    assert program.names["result"][:2] == (2.0, 2)
    assert program.names["result"][2].tolist() == [[0], [1]]
    assert waits.failure is None
    assert found(waits) == program.expected()


# ---- warnings -----------------------------------------------------------------------------------

OLD = (
    "t = torch.ones(3)\nmask = torch.tensor([1, 0, 1], dtype=torch.uint8)\nfor _ in range(2):\n    t[mask]\n"
)


@pytest.mark.parametrize(("action", "times"), [("always", 2), ("default", 1), ("once", 1), ("ignore", 0)])
def test_a_warning_of_torch_is_the_programs_line_and_goes_through_its_filters(tmp_path, action, times):
    shown = []
    for run in (lambda step: exec(step._code, step.names), lambda step: step.run()):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter(action)
            run(Step(tmp_path, OLD))
        shown.append([(str(one.message), one.category, one.filename, one.lineno) for one in seen])
    assert shown[0] == shown[1]
    assert len(shown[0]) == times


def test_a_warning_that_is_an_error_is_one(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="uint8"):
            Step(tmp_path, OLD).run()


def test_what_the_program_records_is_as_without_us(tmp_path, debug_mode, waiting_item):
    text = """
import warnings
with warnings.catch_warnings(record=True) as seen:
    there.item()  # item
    warnings.warn("mine")
"""
    program = Step(tmp_path, text)
    program.names["there"] = _there(OnCuda)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        waits = program.run("cuda")
    assert [str(one.message) for one in program.names["seen"]] == ["mine"]
    assert found(waits) == program.expected()


def test_a_block_of_warnings_that_outlives_the_step_keeps_nothing(tmp_path):
    text = """
import warnings
block = warnings.catch_warnings()
block.__enter__()
warnings.simplefilter("ignore")
"""
    program = Step(tmp_path, text)
    before = list(warnings.filters)
    program.run()
    assert warnings.filters[1:] == before
    program.names["block"].__exit__(None, None, None)
    assert warnings.filters == before
    assert sys.modules["warnings"] is warnings


def run_twice(function: Callable[[], Any]) -> None:
    function()
    function()


def test_stop_may_come_twice_or_without_a_start():
    waits = Waits(torch, "cpu", tuple, Ticks())
    run_twice(waits.stop)
    waits.start()
    run_twice(waits.stop)
    assert waits.found() == ((), 0)
