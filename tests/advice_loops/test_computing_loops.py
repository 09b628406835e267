"""Small loops of torch and the advice on what they compute: updates, zeros, precision, vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import rnnprof
from rnnprof.analysis.advice.numbers import denormals, float64
from rnnprof.analysis.advice.truncation import bptt
from rnnprof.analysis.advice.updating import clip_by_hand, fused, update_by_hand, zero_fill
from rnnprof.analysis.advice.vocabulary import vocabulary
from rnnprof.model import Run
from tests.advice_runs import a_run, found

T, B, H = 6, 3, 8
WORDS, LETTERS = 2_000, 30


class Model(nn.Module):
    """A language model of one recurrent layer, or more."""

    def __init__(self, classes: int = LETTERS, width: int = H, layers: int = 1) -> None:
        super().__init__()
        self.encoder = nn.Embedding(classes, width)
        self.rnn = nn.GRU(width, width, layers)
        self.decoder = nn.Linear(width, classes)

    def forward(self, x: Any) -> Any:
        return self.decoder(self.rnn(self.encoder(x))[0])


def trained(
    folder: Path,
    model: nn.Module | None = None,
    update: Callable[[nn.Module], None] | None = None,
    clip: Callable[[nn.Module], None] | None = None,
    zero_grad: Callable[[nn.Module], None] = nn.Module.zero_grad,
    classes: int = LETTERS,
) -> Run:
    """Train a language model for ten steps, from the profile to the file and back."""
    torch.manual_seed(1)
    model = Model() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randint(classes, (T, B))
    file = folder / "run.json"
    with rnnprof.profile(file) as prof:
        for _ in range(10):
            with prof.step():
                with prof.stage("zero_grad"):
                    zero_grad(model)
                with prof.stage("forward"):
                    output = model(x)
                with prof.stage("loss"):
                    loss = F.cross_entropy(output.view(T * B, -1), x.view(-1))
                with prof.stage("backward"):
                    loss.backward()
                with prof.stage("clip"):
                    if clip is not None:
                        clip(model)
                with prof.stage("update"):
                    optimizer.step() if update is None else update(model)
    return rnnprof.load(file)


def by_hand(model: nn.Module) -> None:
    """Change each parameter by itself."""
    for p in model.parameters():
        p.data.add_(p.grad, alpha=-0.1)


def scaled(model: nn.Module) -> None:
    """Limit each gradient by itself."""
    for p in model.parameters():
        p.grad.clamp_(-1, 1)


def filled(model: nn.Module) -> None:
    """Keep the gradients, filled with zeros."""
    model.zero_grad(set_to_none=False)


def test_an_update_by_hand_is_found(tmp_path: Path) -> None:
    (one,) = found(update_by_hand, trained(tmp_path, Model(layers=2), update=by_hand))
    tensors = len(list(Model(layers=2).parameters()))
    assert one.evidence.startswith(f"{tensors} calls such as `Tensor.add_` in a step, for {tensors} tensors")
    assert (one.source, one.stage) == ("p.data.add_(p.grad, alpha=-0.1)", ("update",))
    assert one.file == __file__
    assert 0 < (one.saving or 0) <= 1


def test_clipping_by_hand_is_found(tmp_path: Path) -> None:
    (one,) = found(clip_by_hand, trained(tmp_path, Model(layers=2), clip=scaled))
    assert (one.source, one.stage) == ("p.grad.clamp_(-1, 1)", ("clip",))


def test_filling_with_zeros_is_found(tmp_path: Path) -> None:
    (one,) = found(zero_fill, trained(tmp_path, zero_grad=filled))
    numbers = sum(p.numel() for p in Model().parameters())
    assert one.evidence.split(" in ")[0].endswith(f"{numbers * 4 / 1024:.2f} KiB of zeros")
    assert (one.source, one.stage) == ("model.zero_grad(set_to_none=False)", ("zero_grad",))


def test_torchs_own_ways_get_no_advice(tmp_path: Path) -> None:
    def clip(model: nn.Module) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)

    run = trained(tmp_path, clip=clip)
    for check in (update_by_hand, clip_by_hand, zero_fill, float64, denormals, vocabulary):
        assert found(check, run) == ()


def test_double_precision_is_found(tmp_path: Path) -> None:
    (one,) = found(float64, trained(tmp_path, Model().double()))
    numbers = sum(p.numel() for p in Model().parameters())
    assert one.evidence.startswith(f"{numbers} of {numbers} parameters are float64, 100 %.")


def test_a_large_vocabulary_is_found(tmp_path: Path) -> None:
    run = trained(tmp_path, Model(WORDS, 32), classes=WORDS)
    (one,) = found(vocabulary, run)
    assert one.evidence.startswith(f"{T * B} predictions × 32 inputs × 2,000 classes are ")
    assert "`decoder.weight = encoder.weight`" in one.change
    tied = Model(WORDS, 32)
    tied.decoder.weight = tied.encoder.weight
    (one,) = found(vocabulary, trained(tmp_path, tied, classes=WORDS))
    assert "decoder.weight" not in one.change


@pytest.mark.skipif(not hasattr(torch, "_fused_sgd_"), reason="this torch has no fused optimizer for a CPU")
def test_an_optimizer_that_is_not_fused_is_found(tmp_path: Path) -> None:
    model = Model()
    optimizer = torch.optim.Adam(model.parameters())
    (one,) = found(fused, trained(tmp_path, model, lambda _: optimizer.step() and None))
    assert one.title == "The optimizer has a fused kernel that is not used: `Adam`"
    fast = torch.optim.Adam(model.parameters(), fused=True)
    assert found(fused, trained(tmp_path, model, lambda _: fast.step() and None)) == ()


def test_denormal_gradients_are_found(tmp_path: Path) -> None:
    def fade(model: nn.Module) -> None:
        for p in model.parameters():
            p.grad = torch.full_like(p, 1e-40)

    (one,) = found(denormals, trained(tmp_path, update=fade))
    assert "of the gradients (" in one.evidence


def test_short_sequences_are_found_where_the_update_weighs(tmp_path: Path) -> None:
    """The times are set by hand: those of a real loop are not the same twice."""
    run = trained(tmp_path)
    stages = {"forward": 2.0, "backward": 4.0, "update": 4.0}
    timed = replace(a_run(stages, rest=0.0), probe=run.probe)
    (one,) = found(bptt, timed)
    assert f"which has {T} time steps" in one.evidence
