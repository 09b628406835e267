"""A small LSTM whose hidden state is never detached: the graph of all earlier steps stays alive.

With ``retain_graph=True`` nothing fails: every step back-propagates through all steps before it, and takes
longer than the last. Without it (``--crash``) the second backward pass raises an error. rnnprof finds both:

    rnnprof run undetached.py
    rnnprof report run.json --advice

``--detach`` is the loop as it should be.
"""

from __future__ import annotations

import argparse

import torch
from torch import nn


def repackage(state: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The same state without what it was computed from."""
    return state[0].detach(), state[1].detach()


def main() -> None:
    parser = argparse.ArgumentParser(description="An LSTM that forgets to detach its state.")
    parser.add_argument("--crash", action="store_true", help="leave retain_graph=True out")
    parser.add_argument("--detach", action="store_true", help="detach the state, as it should be")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--lr", type=float, default=0.1)
    args = parser.parse_args()

    torch.manual_seed(1)
    embedding, rnn, decoder = nn.Embedding(100, 128), nn.LSTM(128, 128), nn.Linear(128, 100)
    parameters = [*embedding.parameters(), *rnn.parameters(), *decoder.parameters()]
    criterion = nn.CrossEntropyLoss()
    words = torch.randint(100, (args.steps * 10 + 1, 16))
    hidden = (torch.zeros(1, 16, 128), torch.zeros(1, 16, 128))

    for i in range(0, len(words) - 1, 10):
        data, targets = words[i : i + 10], words[i + 1 : i + 11].flatten()
        if args.detach:
            hidden = repackage(hidden)
        for p in parameters:
            p.grad = None
        output, hidden = rnn(embedding(data), hidden)
        loss = criterion(decoder(output).flatten(0, 1), targets)
        loss.backward(retain_graph=not (args.crash or args.detach))
        for p in parameters:
            p.data.add_(p.grad, alpha=-args.lr)
        if i % 200 == 0:
            print(f"step {i // 10}: loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
