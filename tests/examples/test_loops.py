"""The single-file examples: they run, the same seed gives the same words, and they learn.

``READINGS`` says, as a reader would, which line of each script belongs to which stage.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("torch")

FOLDER = Path(__file__).resolve().parents[2] / "examples"

SHORT = "--epochs 1 --steps 30 --log_interval 5 --seed 3"
SMALL = {
    "gated_conv_lm": "--width 32 --layers 2 --batch_size 8 --length 20 --lr 0.2",
    "gated_conv_rnn_lm": "--width 32 --layers 1 --batch_size 8 --bptt 20",
    "char_cnn_lstm_lm": "--width 4 --widest 3 --nhid 32 --batch_size 8 --bptt 20 --lr 10",
    "attention_lstm_lm": "--nhid 32 --batch_size 32 --bptt 6 --past 4 --lr 0.01",
    "context_bow_lstm_lm": "--emsize 32 --ncontext 16 --nhid 32 --batch_size 4 --lr 0.01",
    "sentence_rnn": "--emsize 16 --nhid 16 --dropout 0 --lr 0.02 --steps 80 --log_interval 20",
    "sentence_convnet": "--emsize 32 --filters 16 --dropout 0 --lr 1 --epochs 3 --batch_size 50",
    "skipgram": "--width 16 --buckets 2000 --lr 60 --steps 200 --log_interval 20",
}
"""Options with which a script takes a second or two beside the import of torch."""


class Reading(NamedTuple):
    """What a reader of a script finds, each line given by a piece that no other line has.

    Args:
        loop: the header of the loop whose body is one training step.
        step: the lines of each stage of that step; a line in which two stages happen is under both.
        outside: the lines of each stage that happens between steps.
    """

    loop: str
    step: dict[str, list[str]]
    outside: dict[str, list[str]]


SAVE = "torch.save(model.state_dict(), args.save)"
READINGS = {
    "gated_conv_lm": Reading(
        "for step, (words, targets) in enumerate(loader, start=1):",
        {
            "get_batch": ["enumerate(loader, start=1)", "words, targets = words.to(device)"],
            "zero_grad": ["optimizer.zero_grad(set_to_none=True)"],
            "forward": ["loss = criterion(model(words), targets.flatten())"],
            "loss": ["loss = criterion(model(words), targets.flatten())"],
            "backward": ["loss.backward()"],
            "clip": ["nn.utils.clip_grad_value_(model.parameters(), args.clip)"],
            "update": ["optimizer.step()"],
            "schedule": ["scheduler.step()"],
            "log": ["| step {step}/{steps} | loss {loss.item():.3f}"],
        },
        {
            "evaluate": ["for words, targets in valid_loader:", "scores = model(words.to(device))"],
            "checkpoint": [SAVE],
        },
    ),
    "gated_conv_rnn_lm": Reading(
        "for step, i in enumerate(range(0, len(text) - 1, args.bptt)[: args.steps or None], start=1):",
        {
            "get_batch": ["data, targets = get_batch(text, i, args.bptt)"],
            "repackage": ["state = repackage(state)"],
            "zero_grad": ["p.grad = None"],
            "forward": ["scores, state = model(data, state)"],
            "loss": ["loss = F.cross_entropy(scores, targets)"],
            "backward": ["loss.backward()"],
            "clip": ["norm = math.sqrt(", "if norm > args.clip:", "p.grad *= args.clip / norm"],
            "update": ["p -= lr * p.grad"],
            "log": ["total += loss.item()", "| step {step} | lr {lr:g} | loss {"],
        },
        {"evaluate": ["valid_loss = evaluate(model, valid_text, args.bptt)"], "checkpoint": [SAVE]},
    ),
    "char_cnn_lstm_lm": Reading(
        "for step, (words, targets) in enumerate(batches(text, self.args.bptt), start=1):",
        {
            "get_batch": ["enumerate(batches(text, self.args.bptt), start=1)"],
            "repackage": ["self.state = (self.state[0].detach(), self.state[1].detach())"],
            "zero_grad": ["self.model.zero_grad()"],
            "forward": ["scores, self.state = self.model(words, self.state)"],
            "loss": ["loss = self.criterion(scores, targets)"],
            "backward": ["loss.backward()"],
            "clip": ["nn.utils.clip_grad_norm_(self.model.parameters(), self.args.clip)"],
            "update": ["self.optimizer.step()"],
            "log": ["| step {step} | loss {loss.item():.3f}"],
        },
        {
            "evaluate": ["loss = self.evaluate(valid)"],
            "checkpoint": ["torch.save(self.model.state_dict(), self.args.save)"],
        },
    ),
    "attention_lstm_lm": Reading(
        "for i, start in enumerate(starts):",
        {
            "get_batch": ["words = text[start : start + args.bptt]", "targets = text[start + 1 :"],
            "repackage": ["hidden, cell, past = hidden.detach(), cell.detach(), past.detach()"],
            "zero_grad": ["optimizer.zero_grad()"],
            "forward": ["scores, (hidden, cell, past) = model(word, (hidden, cell, past))"],
            "loss": ["loss = loss + criterion(scores, target)", "loss = loss / args.bptt"],
            "backward": ["loss.backward()"],
            "clip": ["clip_gradients(model.parameters(), args.clip)"],
            "update": ["optimizer.step()"],
            "log": ["| step {i}/{len(starts)} | loss {loss.item():.3f}"],
        },
        {
            "evaluate": ["mean = evaluate(model, valid_text)"],
            "checkpoint": ["copy.deepcopy(model.state_dict())", "torch.save(best_state, args.save)"],
        },
    ),
    "context_bow_lstm_lm": Reading(
        "for step, (before, words, targets) in enumerate(batches(",
        {
            "get_batch": ["enumerate(batches(pairs, args.batch_size, shuffle=True), start=1)"],
            "forward": ["scores = model(before, words)"],
            "loss": ["loss = criterion(scores, targets.flatten())"],
            "backward": ["(loss / args.accumulate).backward()"],
            "clip": ["nn.utils.clip_grad_norm_(model.parameters(), args.clip)"],
            "update": ["optimizer.step()"],
            "zero_grad": ["optimizer.zero_grad()"],
            "log": ["running += loss.detach()", "{running.item() / args.log_interval", "running.zero_()"],
        },
        {"evaluate": ["valid_loss = evaluate(model, criterion, valid_pairs)"], "checkpoint": [SAVE]},
    ),
    "sentence_rnn": Reading(
        "for batch_idx, batch in enumerate(loader, 1):",
        {
            "get_batch": [
                "enumerate(loader, 1)",
                "words, lengths, labels = batch",
                "words, labels = words.to(args.device), labels.to(args.device)",
            ],
            "zero_grad": ["optimizer.zero_grad()"],
            "forward": ["output = model(words, lengths)"],
            "loss": ["loss = F.cross_entropy(output, labels)"],
            "backward": ["loss.backward()"],
            "clip": ["torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=args.clip)"],
            "update": ["optimizer.step()"],
            "log": [
                "total_loss += loss.item() * len(labels)",
                "correct += (output.argmax(dim=1) == labels).sum().item()",
                "| step {batch_idx} | loss {loss_now:.3f}",
            ],
        },
        {
            "evaluate": ["test_loss, right = test(model, test_loader, args.device)"],
            "checkpoint": ["copy.deepcopy(model.state_dict())", "torch.save(best_state, args.save)"],
        },
    ),
    "sentence_convnet": Reading(
        "while start < len(order) and (args.steps == 0 or step < args.steps):",
        {
            "get_batch": ["chosen = order[start : start", "x, y = train_words[chosen], train_labels[chosen]"],
            "forward": ["y_hat = model(x)"],
            "loss": ["loss = criterion(y_hat, y)"],
            "backward": ["loss.backward()"],
            "update": ["optimizer.step()"],
            "zero_grad": ["optimizer.zero_grad()"],
            "bound_weights": ["bound_weights(model.out, args.norm)"],
            "log": ["right = (y_hat.argmax(dim=1) == y)", "| step {step} | loss {loss.item():.3f}"],
        },
        {
            "evaluate": ["valid_loss, valid_right = accuracy()"],
            "checkpoint": ['torch.save({"epoch": epoch + 1, "model": model.state_dict()}, args.save)'],
        },
    ),
    "skipgram": Reading(
        "for words, others in batches(text, often, args, args.batch_size):",
        {
            "get_batch": ["in batches(text, often, args, args.batch_size)"],
            "schedule": ["lr = args.lr * (1 - done / planned)"],
            "zero_grad": ["parameter.grad = None"],
            "forward": ["loss = negative_sampling(model(words, others))"],
            "loss": ["loss = negative_sampling(model(words, others))"],
            "backward": ["loss.backward()"],
            "update": ["parameter.data.add_(parameter.grad, alpha=-lr)"],
            "log": ["total += loss.item()", "| step {done}/{planned} | loss {total / args.log_interval"],
        },
        {
            "evaluate": ["valid_loss = negative_sampling(model(held_out, held_out_others)).item()"],
            "checkpoint": ['torch.save({"words": vocabulary.words, "vectors"'],
        },
    ),
}


def start(script: str, *options: str) -> subprocess.Popen[str]:
    """Begin to run a script on one thread, away from any accelerator, with small options."""
    command = [sys.executable, f"{script}.py", *SHORT.split(), *SMALL[script].split(), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=FOLDER, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("script", SMALL)
def test_same_seed_gives_same_words_and_the_loss_falls(script: str, tmp_path: Path) -> None:
    saved = tmp_path / "saved.pt"
    one, two = start(script), start(script, "--save", str(saved))
    (out, error), (again, _) = one.communicate(), two.communicate()
    assert (one.returncode, two.returncode) == (0, 0), error
    assert out == again
    assert saved.stat().st_size > 0
    losses = [float(loss) for loss in re.findall(r"\| step .*\| loss (\S+)", out)]
    assert all(map(math.isfinite, losses))
    assert losses[-1] < 0.95 * losses[0]
    assert math.isfinite(float(re.findall(r"\| validation loss (\S+)", out)[-1]))


def test_every_script_has_a_reading() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")} - {"corpus", "asynchronous", "undetached"}
    assert scripts == set(READINGS) == set(SMALL)


@pytest.mark.parametrize("script", READINGS)
def test_a_reading_names_lines_that_stand_in_the_script_once(script: str) -> None:
    source = (FOLDER / f"{script}.py").read_text(encoding="utf-8")
    reading = READINGS[script]
    stages = [*reading.step.values(), *reading.outside.values()]
    for piece in (reading.loop, *(piece for pieces in stages for piece in pieces)):
        assert [piece in line for line in source.splitlines()].count(True) == 1, piece
    assert "rnnprof" not in source.lower()


def test_the_corpus_is_split_and_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    corpus = importlib.import_module("corpus")
    monkeypatch.delitem(sys.modules, "corpus")
    train, valid = corpus.split(range(400))
    assert valid == [*range(180, 200), *range(380, 400)]
    assert sorted(train + valid) == list(range(400))
    found = corpus.sentences()
    assert len({tuple(sentence.words) for sentence in found}) == len(found) > 1000
    assert all(4 <= len(sentence.words) <= corpus.LONGEST for sentence in found)
    assert {label for _, label in corpus.labelled()} == set(range(len(corpus.LABELS)))

    few = [corpus.Sentence("topic", ["a", "b", "a"]), corpus.Sentence("topic", ["a", "c"])]
    vocabulary = corpus.Vocabulary(few, least=2)
    assert vocabulary.words == ["<pad>", "<unknown>", "<end>", "a"]
    assert vocabulary.counts == [0, 2, 2, 3]
    assert vocabulary.text(few).tolist() == [3, 1, 3, 2, 3, 1, 2]
    assert corpus.pad([[5], [6, 7]], least=3).tolist() == [[5, 0, 0], [6, 7, 0]]
    assert corpus.columns(vocabulary.text(few), 3).tolist() == [[3, 3, 3], [1, 2, 1]]
