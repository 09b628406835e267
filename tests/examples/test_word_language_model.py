"""The word language model example: its corpora, its models, its loop, and what rnnprof records of it."""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from rnnprof import runfile  # noqa: E402
from rnnprof.model import Lane, Stage, walk  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "word_language_model"
NAMES = ("data", "model", "main")
MODELS = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU", "Transformer")
TINY = ["--data", "zipf:50:2000", "--emsize", "8", "--nhid", "8", "--batch_size", "4", "--bptt", "5"]
TINY += ["--epochs", "1", "--steps", "3", "--lr", "0.5", "--device", "cpu"]


@pytest.fixture(scope="module")
def program() -> Iterator[SimpleNamespace]:
    """The example's three modules, imported as its own script would import them."""
    aside = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    sys.path.insert(0, str(FOLDER))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    sys.path.remove(str(FOLDER))
    for name in NAMES:
        sys.modules.pop(name, None)
    sys.modules.update(aside)


def run(program: SimpleNamespace, *options: str, profile: Path | None = None) -> float:
    """Train quietly; later options win over the tiny ones."""
    return program.main.main([*TINY, *options, "--profile", str(profile or "")], lambda done, planned: None)


def patch_evaluate(monkeypatch: pytest.MonkeyPatch, main: ModuleType, losses: list[float]) -> list[dict]:
    """Replace the evaluation by given losses; return the states of the model it was called with."""
    states: list[dict] = []

    def evaluate(model: torch.nn.Module, *_: object) -> float:
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        return losses[len(states) - 1]

    monkeypatch.setattr(main, "evaluate", evaluate)
    return states


def equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# The loop


@pytest.mark.parametrize("model", MODELS)
def test_every_model_trains_and_counts_its_steps(program: SimpleNamespace, model: str) -> None:
    seen: list[tuple[int, int]] = []
    options = [*TINY, "--model", model, "--epochs", "2", "--profile", ""]
    loss = program.main.main(options, lambda done, planned: seen.append((done, planned)))
    assert 0 < loss < 2 * math.log(50)
    assert seen == [(done, 6) for done in range(1, 7)]


def test_a_model_learns(program: SimpleNamespace) -> None:
    losses = [run(program, "--steps", steps, "--lr", "5") for steps in ("1", "0")]
    assert losses[1] < losses[0] - 0.1


@pytest.mark.parametrize("model", ["LSTM", "Transformer"])
def test_manual_update_is_sgd_to_the_bit(program: SimpleNamespace, tmp_path: Path, model: str) -> None:
    states, losses = [], []
    for optimizer in ("manual", "sgd"):
        path = tmp_path / f"{optimizer}.pt"
        losses.append(
            run(program, "--model", model, "--optimizer", optimizer, "--steps", "6", "--save", str(path))
        )
        states.append(torch.load(path))
    assert losses[0] == losses[1]
    assert equal(*states)


def test_three_steps_are_those_of_the_textbook(program: SimpleNamespace, tmp_path: Path) -> None:
    """The same steps written a second way: no zero_grad, no clip_grad_norm_, hidden detached by hand."""
    options = [*TINY, "--dropout", "0", "--lr", "3", "--clip", "0.1", "--model", "RNN_TANH"]
    path = tmp_path / "best.pt"
    run(program, *options, "--save", str(path))

    args = program.main.parse(options)
    torch.manual_seed(args.seed)
    corpus = program.data.zipf(50, 2000)
    text = program.data.batchify(corpus.train, 4, torch.device("cpu"), "train")
    model = program.model.build_model(args, 50)
    parameters = list(model.parameters())
    hidden = torch.zeros(2, 4, 8)
    for i in (0, 5, 10):
        scores, hidden = model(text[i : i + 5], hidden.detach())
        loss = -scores.log_softmax(-1)[torch.arange(20), text[i + 1 : i + 6].flatten()].mean()
        gradients = torch.autograd.grad(loss, parameters)
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        assert norm > args.clip
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= 3 * gradient * 0.1 / norm
    for name, value in torch.load(path).items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("optimizer", "lr"), [("manual", "20"), ("adam", "0.001"), ("adamw", "0.001")])
def test_default_learning_rate_suits_the_optimizer(program: SimpleNamespace, optimizer: str, lr: str) -> None:
    assert program.main.parse(["--optimizer", optimizer]).lr == float(lr)


@pytest.mark.parametrize("optimizer", ["manual", "sgd"])
def test_learning_rate_is_quartered_when_validation_does_not_improve(
    program: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    optimizer: str,
) -> None:
    patch_evaluate(monkeypatch, program.main, [3.0, 3.0, 2.0, 2.5, 2.0])
    options = ["--epochs", "4", "--steps", "1", "--log-interval", "1", "--lr", "8", "--optimizer", optimizer]
    rates: list[float] = []
    step = torch.optim.SGD.step
    update = program.main.manual_update
    monkeypatch.setattr(
        torch.optim.SGD, "step", lambda self: (rates.append(self.param_groups[0]["lr"]), step(self))[1]
    )
    monkeypatch.setattr(program.main, "manual_update", lambda p, lr: (rates.append(lr), update(p, lr))[1])
    assert program.main.main([*TINY, *options, "--profile", ""]) == 2.0
    assert rates == [8, 8, 2, 2]
    printed = [
        line.split("| lr ")[1].split()[0] for line in capsys.readouterr().out.splitlines() if "| lr" in line
    ]
    assert printed == ["8", "8", "2", "2"]


def test_the_best_model_is_saved_and_tested(
    program: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    states = patch_evaluate(monkeypatch, program.main, [3.0, 2.0, 4.0, 1.5])
    assert run(program, "--epochs", "3", "--save", str(tmp_path / "best.pt")) == 1.5
    assert equal(states[3], states[1])
    assert not equal(states[3], states[2])
    assert equal(torch.load(tmp_path / "best.pt"), states[1])


def test_ctrl_c_ends_training_and_still_tests(program: SimpleNamespace) -> None:
    seen: list[int] = []

    def stop(done: int, planned: int) -> None:
        seen.append(done)
        if done == 2:
            raise KeyboardInterrupt

    assert math.isfinite(program.main.main([*TINY, "--profile", ""], stop))
    assert seen == [1, 2]


@pytest.mark.parametrize("options", [["--dry-run", "--batch_size", "5"], ["--dry_run", "--batch-size", "5"]])
def test_dry_run_is_one_step_in_either_spelling(program: SimpleNamespace, options: list[str]) -> None:
    seen: list[tuple[int, int]] = []
    options = [*TINY, *options, "--profile", ""]
    program.main.main(options, lambda done, planned: seen.append((done, planned)))
    assert seen == [(1, 1)]


def test_no_step_waits_for_a_number(program: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    item = torch.Tensor.item
    monkeypatch.setattr(torch.Tensor, "item", lambda self: (calls.append(self), item(self))[1])
    run(program)
    assert len(calls) == 2  # the validation's loss and the test's


def test_it_runs_as_a_script(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(FOLDER / "main.py"), *TINY, "--dry-run", "--log-interval", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("epoch   1 | step     1/1 | lr 0.5 |")
    assert "end of training | test loss" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


# The models


@pytest.mark.parametrize("model", MODELS)
def test_tied_weights_are_one_matrix(program: SimpleNamespace, model: str) -> None:
    for tied in (True, False):
        args = program.main.parse([*TINY, "--model", model, *["--tied"] * tied])
        built = program.model.build_model(args, 50)
        assert (built.encoder.weight is built.decoder.weight) == tied
        scores, _ = built(torch.zeros(5, 4, dtype=torch.int64), built.init_hidden(4))
        assert scores.shape == (20, 50)


@pytest.mark.parametrize("model", MODELS)
def test_no_model_sees_the_words_to_come(program: SimpleNamespace, model: str) -> None:
    built = program.model.build_model(program.main.parse([*TINY, "--model", model]), 50).eval()
    data = torch.arange(20).view(5, 4)
    other = data.clone()
    other[3:] = 49
    with torch.no_grad():
        one, two = (built(words, built.init_hidden(4))[0].view(5, 4, 50) for words in (data, other))
    assert torch.equal(one[:3], two[:3])
    assert not torch.equal(one[3:], two[3:])


def test_transformer_takes_an_odd_width(program: SimpleNamespace) -> None:
    assert program.model.sinusoids(6, 7).shape == (6, 1, 7)
    assert math.isfinite(run(program, "--model", "Transformer", "--emsize", "9", "--nhead", "3", "--tied"))


@pytest.mark.parametrize("model", ["LSTM", "GRU"])
def test_repackage_cuts_the_graph_and_keeps_the_values(program: SimpleNamespace, model: str) -> None:
    built = program.model.build_model(program.main.parse([*TINY, "--model", model]), 50)
    _, hidden = built(torch.zeros(5, 4, dtype=torch.int64), built.init_hidden(4))
    parts = hidden if isinstance(hidden, tuple) else (hidden,)
    cut = program.model.repackage(hidden)
    for part, new in zip(parts, cut if isinstance(cut, tuple) else (cut,), strict=True):
        assert part.grad_fn is not None
        assert new.grad_fn is None
        assert not new.requires_grad
        assert torch.equal(part, new)
        assert part.data_ptr() == new.data_ptr()
    assert program.model.repackage(None) is None


# What rnnprof sees of it


@pytest.mark.parametrize("model", ["LSTM", "Transformer"])
def test_losses_are_bit_identical_with_and_without_a_profile(
    program: SimpleNamespace, tmp_path: Path, model: str
) -> None:
    with_profile = run(program, "--model", model, "--epochs", "2", profile=tmp_path / "run.json")
    assert with_profile == run(program, "--model", model, "--epochs", "2")
    assert (tmp_path / "run.json").exists()


STEP_STAGES = ["get_batch", "repackage", "zero_grad", "forward", "loss", "backward", "clip", "update", "log"]


@pytest.mark.parametrize(
    ("model", "middle"), [("LSTM", "rnn"), ("GRU", "rnn"), ("Transformer", "transformer")]
)
def test_saved_run_has_every_stage_in_its_lane(
    program: SimpleNamespace, tmp_path: Path, model: str, middle: str
) -> None:
    path = tmp_path / "run.json"
    run(program, "--model", model, "--epochs", "2", "--steps", "8", profile=path)
    recorded = runfile.load(path)
    assert recorded.ended == "finished"
    setup, train, evaluate = (find_lane(recorded.lane(name)) for name in ("setup", "train", "evaluate"))
    assert names(setup.stages) == ["corpus", "batchify", "build_model"]
    assert "checkpoint" in names(train.stages)
    assert "log" in names(evaluate.stages)
    recurrent = middle == "rnn"
    forward = [("forward",), *(("forward", part) for part in ("encoder", middle, "decoder"))]
    assert paths(train) == wanted(STEP_STAGES, forward, recurrent)
    assert paths(evaluate) == wanted(["get_batch", "repackage", "forward", "loss"], forward, recurrent)
    assert tokens(train) == 2 * 8 * 5 * 4
    # Two validations of 20 rows and a test of 23 rows, in slices of 5 rows.
    assert sum(steps.series.count for steps in evaluate.steps.values()) == 2 * 4 + 5


def find_lane(lane: Lane | None) -> Lane:
    assert lane is not None
    return lane


def names(stages: tuple[Stage, ...]) -> list[str]:
    return [stage.name for stage in stages]


def paths(lane: Lane) -> set[tuple[str, ...]]:
    return {path for steps in lane.steps.values() for path, _ in walk(steps.stages)}


def tokens(lane: Lane) -> int:
    return sum(steps.tokens for steps in lane.steps.values())


def wanted(stages: list[str], forward: list[tuple[str, ...]], recurrent: bool) -> set[tuple[str, ...]]:
    return {(name,) for name in stages if recurrent or name != "repackage"} | set(forward)


# The text


def write_folder(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (root / f"{name}.txt").write_text(text, encoding="utf-8")
    return root


def test_folder_counts_words_and_line_ends(program: SimpleNamespace, tmp_path: Path) -> None:
    write_folder(tmp_path, train="the cat sat\n\nthe dog\n", valid="a cat\n", test="the é end")
    corpus = program.data.reader(str(tmp_path))()
    # the 0, cat 1, sat 2, <eos> 3, dog 4, a 5, é 6, end 7
    assert corpus.train.tolist() == [0, 1, 2, 3, 3, 0, 4, 3]
    assert corpus.valid.tolist() == [5, 1, 3]
    assert corpus.test.tolist() == [0, 6, 7, 3]
    assert corpus.vocabulary == 8


def test_a_part_of_topics_is_its_beginning(program: SimpleNamespace) -> None:
    whole, part = program.data.topics(), program.data.reader("topics:40000")()
    # The line that makes them is whole.
    assert 40_000 <= len(part.train) + len(part.valid) + len(part.test) < 40_100
    assert part.train.tolist() == whole.train[: len(part.train)].tolist()


@pytest.mark.parametrize("source", ["topics:", "topics:0", "topics:many", "topics:-3"])
def test_a_part_of_topics_needs_a_size(program: SimpleNamespace, source: str) -> None:
    with pytest.raises(SystemExit, match="write a positive number"):
        program.data.reader(source)


def test_topics_are_deterministic_and_keep_rare_words(program: SimpleNamespace) -> None:
    one, two = program.data.topics(), program.data.topics()
    assert all(torch.equal(a, b) for a, b in zip(one[:3], two[:3], strict=True))
    assert len(one.train) > 5 * max(len(one.valid), len(one.test)) > 0
    counts = torch.cat(one[:3]).bincount()
    assert len(counts) == one.vocabulary > 1000
    assert counts.min() == 1


@settings(max_examples=25, deadline=None)
@given(vocabulary=st.integers(1, 3000), length=st.integers(1, 5000))
def test_zipf_words_stay_below_the_vocabulary(program: SimpleNamespace, vocabulary: int, length: int) -> None:
    corpus = program.data.reader(f"zipf:{vocabulary}:{length}")()
    assert corpus.vocabulary == vocabulary
    assert len(corpus.train) == length
    for part in corpus[:3]:
        assert len(part) >= 1
        assert set(part.tolist()) <= set(range(vocabulary))


def test_zipf_at_the_upper_end_is_the_last_word(
    program: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "rand", lambda size, **_: torch.ones(size, dtype=torch.float64))
    assert program.data.zipf(7, 3).train.tolist() == [6, 6, 6]


def test_zipf_is_deterministic_and_has_the_proportions_of_wikitext2(program: SimpleNamespace) -> None:
    state = torch.get_rng_state()
    one, two = (program.data.zipf(33_278, 2_088_628) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert [len(part) for part in one[:3]] == [2_088_628, 217_646, 245_569]
    assert all(torch.equal(a, b) for a, b in zip(one[:3], two[:3], strict=True))
    counts = one.train.bincount().tolist()
    assert counts[0] / counts[1] == pytest.approx(2, rel=0.03)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.05)


def test_batches_run_down_the_columns_and_targets_are_one_word_ahead(program: SimpleNamespace) -> None:
    laid = program.data.batchify(torch.arange(26), 4, torch.device("cpu"), "train")
    assert laid.shape == (6, 4)
    assert laid.is_contiguous()
    assert laid[:, 1].tolist() == [6, 7, 8, 9, 10, 11]
    data, targets = program.data.get_batch(laid, 0, 3)
    assert data.shape == (3, 4)
    assert targets.shape == (12,)
    assert torch.equal(targets.view(3, 4), data + 1)
    last, after = program.data.get_batch(laid, 3, 3)
    assert last.shape == (2, 4)
    assert torch.equal(after.view(2, 4), laid[4:])


@given(length=st.integers(2, 200), columns=st.integers(1, 9), bptt=st.integers(1, 40))
def test_slices_cover_every_row_but_the_last_once(
    program: SimpleNamespace, length: int, columns: int, bptt: int
) -> None:
    laid = program.data.batchify(torch.arange(length * columns), columns, torch.device("cpu"), "train")
    args = SimpleNamespace(bptt=bptt, steps=0)
    batches = [program.data.get_batch(laid, i, bptt)[0] for i in program.main.slices(laid, args)]
    assert torch.equal(torch.cat(batches), laid[:-1])


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "no/such/folder"], "no such folder"),
        (["--data", "zipf"], "zipf:33278:2088628"),
        (["--data", "zipf:10"], "zipf:33278:2088628"),
        (["--data", "zipf:0:100"], "zipf:33278:2088628"),
        (["--data", "zipf:ten:100"], "zipf:33278:2088628"),
        (["--data", "zipf:10:100", "--batch_size", "51"], "train text is too short: it has 100 tokens"),
        (["--data", "zipf:10:100"], "valid text is too short: it has 10 tokens"),
        (["--tied", "--nhid", "9"], "--nhid is 9 and --emsize 8"),
        (["--model", "Transformer", "--nhead", "3"], "--nhead 3 does not divide --emsize 8"),
        (["--steps", "-1"], "--steps -1"),
        (["--clip", "0"], "--clip 0"),
        (["--dropout", "1.5"], "--dropout 1.5"),
        (["--save", "no/such/folder/best.pt"], "its folder does not exist"),
    ],
)
def test_a_mistake_is_one_line(program: SimpleNamespace, options: list[str], message: str) -> None:
    check_one_line(lambda: run(program, *options), message)


def test_a_profile_that_cannot_be_written_is_one_line(program: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "run.json"
    check_one_line(lambda: run(program, profile=path), str(path))


def test_a_missing_device_is_one_line(program: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check_one_line(lambda: run(program, "--device", "cuda"), "--device cuda")


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_bad_folder_names_the_file(program: SimpleNamespace, tmp_path: Path, part: str) -> None:
    write_folder(tmp_path, train="a b\n", valid="a b\n", test="a b\n")
    path = tmp_path / f"{part}.txt"
    path.write_bytes(b"\xff\xfe")
    check_one_line(lambda: run(program, "--data", str(tmp_path)), f"{part}.txt: not UTF-8")
    path.write_text("\n \n")
    check_one_line(lambda: run(program, "--data", str(tmp_path)), f"{part}.txt: the file has no words")
    path.unlink()
    check_one_line(lambda: run(program, "--data", str(tmp_path)), f"has no {part}.txt")


def test_a_mistake_in_the_options_leaves_an_earlier_run_alone(
    program: SimpleNamespace, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    path.write_text("earlier")
    for options in (["--data", "no/such/folder"], ["--tied", "--nhid", "9"]):
        with pytest.raises(SystemExit):
            run(program, *options, profile=path)
        assert path.read_text() == "earlier"


def check_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        call()
    assert isinstance(caught.value.code, str)
    assert message in caught.value.code
    assert "\n" not in caught.value.code
