"""Train a language model on a text, word by word, with every stage of the loop marked for rnnprof."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from data import Corpus, batchify, get_batch, reader
from model import MODELS, RecurrentModel, TransformerModel, build_model, repackage
from torch import Tensor, nn

import rnnprof

EVAL_BATCH_SIZE = 10


def main(argv: list[str] | None = None, on_step: Callable[[int, int], None] | None = None) -> float:
    """Train, validate after every epoch, and test the best model.

    Args:
        argv: the options; those of the command line by default.
        on_step: called after each training step with the number of steps done and the number
            planned; when it is given, no progress is printed.

    Returns:
        The mean loss on the test text, in nats per word.
    """
    args = parse(argv)
    read = reader(args.data)
    device = choose_device(args.device)
    torch.manual_seed(args.seed)
    try:
        with rnnprof.profile(args.profile, clock=args.clock) if args.profile else nullcontext():
            return learn(args, read, device, on_step)
    except (rnnprof.UsageError, rnnprof.RunFileError) as error:
        raise SystemExit(str(error)) from None


def learn(
    args: argparse.Namespace,
    read: Callable[[], Corpus],
    device: torch.device,
    on_step: Callable[[int, int], None] | None,
) -> float:
    """Run the whole program; see :func:`main`. Before the first step its time is the lane ``setup``."""
    say = print if on_step is None else lambda _: None
    with rnnprof.stage("corpus"):
        corpus = read()

    with rnnprof.stage("batchify"):
        train = batchify(corpus.train, args.batch_size, device, "train")
        valid = batchify(corpus.valid, EVAL_BATCH_SIZE, device, "valid")
        test = batchify(corpus.test, EVAL_BATCH_SIZE, device, "test")

    with rnnprof.stage("build_model"):
        model = build_model(args, corpus.vocabulary).to(device)
        parameters = list(model.parameters())
        optimizer = build_optimizer(args, parameters)
        criterion = nn.CrossEntropyLoss()

    lr = args.lr
    best_loss, best_state = math.inf, None
    starts = slices(train, args)
    done, planned = 0, args.epochs * len(starts)
    try:
        for epoch in range(1, args.epochs + 1):
            model.train()
            hidden = model.init_hidden(args.batch_size)
            losses = torch.zeros((), device=device)
            began = time.perf_counter()

            for number, i in enumerate(starts, start=1):
                with rnnprof.step() as step:
                    with rnnprof.stage("get_batch"):
                        data, targets = get_batch(train, i, args.bptt)
                        step.tokens = data.numel()

                    if hidden is not None:
                        with rnnprof.stage("repackage"):
                            hidden = repackage(hidden)

                    with rnnprof.stage("zero_grad"):
                        model.zero_grad()

                    with rnnprof.stage("forward"):
                        scores, hidden = model(data, hidden)

                    with rnnprof.stage("loss"):
                        loss = criterion(scores, targets)

                    with rnnprof.stage("backward"):
                        loss.backward()

                    with rnnprof.stage("clip"):
                        nn.utils.clip_grad_norm_(parameters, args.clip)

                    with rnnprof.stage("update"):
                        if optimizer is None:
                            manual_update(parameters, lr)
                        else:
                            optimizer.step()

                    with rnnprof.stage("log"):
                        losses += loss.detach()
                        if on_step is None and number % args.log_interval == 0:
                            # .item() waits for the device, hence once in an interval.
                            mean = losses.item() / args.log_interval
                            ms = (time.perf_counter() - began) * 1000 / args.log_interval
                            say(
                                f"epoch {epoch:3d} | step {number:5d}/{len(starts)} | lr {lr:.4g} | "
                                f"{ms:.2f} ms/step | loss {mean:.3f} | perplexity {perplexity(mean):.2f}"
                            )
                            losses.zero_()
                            began = time.perf_counter()
                done += 1
                if on_step is not None:
                    on_step(done, planned)

            loss_now = evaluate(model, valid, criterion, args)
            say(f"end of epoch {epoch} | valid loss {loss_now:.3f} | perplexity {perplexity(loss_now):.2f}")
            if loss_now < best_loss:
                best_loss = loss_now
                with rnnprof.stage("checkpoint"):
                    best_state = {name: value.detach().clone() for name, value in model.state_dict().items()}
                    if args.save:
                        torch.save(best_state, args.save)
            else:
                lr /= 4
                if optimizer is not None:
                    for group in optimizer.param_groups:
                        group["lr"] = lr
    except KeyboardInterrupt:
        say("Training ended early.")

    if best_state is not None:
        model.load_state_dict(best_state)
    test_loss = evaluate(model, test, criterion, args)
    say(f"end of training | test loss {test_loss:.3f} | perplexity {perplexity(test_loss):.2f}")
    return test_loss


@torch.no_grad()
def evaluate(
    model: RecurrentModel | TransformerModel, text: Tensor, criterion: nn.Module, args: argparse.Namespace
) -> float:
    """Return the mean loss of the model on a text.

    Args:
        model: the model; left in evaluation mode.
        text: word numbers, int64, shape (rows, columns), from :func:`batchify`.
        criterion: the loss, averaged over words.
        args: the program's options: ``bptt`` and ``steps``.

    Returns:
        The loss in nats per word.
    """
    with rnnprof.lane("evaluate"):
        model.eval()
        hidden = model.init_hidden(text.shape[1])
        total = torch.zeros((), device=text.device)
        words = 0
        for i in slices(text, args):
            with rnnprof.step() as step:
                with rnnprof.stage("get_batch"):
                    data, targets = get_batch(text, i, args.bptt)
                    step.tokens = data.numel()

                if hidden is not None:
                    with rnnprof.stage("repackage"):
                        hidden = repackage(hidden)

                with rnnprof.stage("forward"):
                    scores, hidden = model(data, hidden)

                with rnnprof.stage("loss"):
                    total += criterion(scores, targets) * data.numel()
                    words += data.numel()
        with rnnprof.stage("log"):
            return total.item() / words


def slices(text: Tensor, args: argparse.Namespace) -> range:
    """Return the first row of each slice of ``bptt`` rows, ``steps`` slices at most."""
    return range(0, len(text) - 1, args.bptt)[: args.steps or None]


def manual_update(parameters: list[nn.Parameter], lr: float) -> None:
    """Change every parameter by minus ``lr`` times its gradient: plain gradient descent by hand."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.data.add_(parameter.grad, alpha=-lr)


def build_optimizer(args: argparse.Namespace, parameters: list[nn.Parameter]) -> torch.optim.Optimizer | None:
    """Build the optimizer that the options ask for; None stands for the update by hand."""
    if args.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=args.lr)
    if args.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=args.lr)
    if args.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=args.lr)
    return None


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` means an accelerator where there is one."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, available in there.items() if available)
    if not there[name]:
        raise SystemExit(f"--device {name}: torch finds no such device on this machine")
    return torch.device(name)


def perplexity(loss: float) -> float:
    """Return exp(loss), or infinity where that is too large for a float."""
    return math.exp(loss) if loss < 700 else math.inf


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Read the options and refuse combinations that cannot work, each with one line."""

    def positive(text: str) -> int:
        if int(text) < 1:
            raise ValueError
        return int(text)

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--data",
        default="topics",
        help="topics (Python's help), topics:TOKENS, zipf:VOCABULARY:TOKENS, a folder",
    )
    add("--model", default="LSTM", choices=MODELS, help="kind of model")
    add("--emsize", type=positive, default=200, help="width of the embedding")
    add("--nhid", type=positive, default=200, help="width of a hidden layer")
    add("--nlayers", type=positive, default=2, help="number of layers")
    add("--nhead", type=positive, default=2, help="attention heads of the Transformer")
    add("--lr", type=float, help="first learning rate (default: 20; 0.001 with adam and adamw)")
    add("--clip", type=float, default=0.25, help="largest norm of the gradient")
    add("--epochs", type=positive, default=40, help="passes over the text")
    add("--batch_size", "--batch-size", type=positive, default=20, help="columns of text side by side")
    add("--bptt", type=positive, default=35, help="words through which the gradient goes back")
    add("--dropout", type=float, default=0.2, help="probability of dropping a value")
    add("--tied", action="store_true", help="one matrix for embedding and decoder")
    add("--seed", type=int, default=1111, help="seed of the random numbers")
    add("--log-interval", "--log_interval", type=positive, default=200, help="steps between two lines")
    add("--save", default="", help="where the best model is saved (default: nowhere)")
    add("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to compute")
    add("--dry-run", "--dry_run", action="store_true", help="one step only")
    add("--steps", type=int, default=0, help="end each epoch and evaluation after so many steps (0: never)")
    add("--optimizer", default="manual", choices=("manual", "sgd", "adam", "adamw"), help="kind of update")
    add("--profile", default="run.json", metavar="PATH", help="where rnnprof saves the run ('': no profile)")
    add("--clock", default="auto", choices=("auto", "host", "sync", "event"), help="how stages are timed")
    args = parser.parse_args(argv)
    if args.lr is None:
        args.lr = 0.001 if args.optimizer.startswith("adam") else 20.0
    if args.dry_run:
        args.epochs = args.steps = 1
    if args.steps < 0:
        raise SystemExit(f"--steps {args.steps}: give 0 or more")
    if not 0 <= args.dropout <= 1:
        raise SystemExit(f"--dropout {args.dropout}: give a probability from 0 to 1")
    if args.tied and args.model != "Transformer" and args.nhid != args.emsize:
        raise SystemExit(f"--tied needs one width, but --nhid is {args.nhid} and --emsize {args.emsize}")
    if args.model == "Transformer" and args.emsize % args.nhead:
        raise SystemExit(f"--nhead {args.nhead} does not divide --emsize {args.emsize}")
    if args.clip <= 0:
        raise SystemExit(f"--clip {args.clip}: give a norm above 0")
    if args.save and not Path(args.save).resolve().parent.is_dir():
        raise SystemExit(f"--save {args.save}: its folder does not exist")
    return args


if __name__ == "__main__":
    main(sys.argv[1:])
