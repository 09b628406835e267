"""`rnnprof demo`: train a small language model for about a minute and show where the time went."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from rnnprof.cli import output, report
from rnnprof.errors import UsageError

MODELS = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU", "Transformer")
RATES = {"RNN_TANH": "1", "RNN_RELU": "1", "LSTM": "20", "GRU": "5", "Transformer": "1"}
"""A learning rate with which each model learns and does not diverge."""

FIGURES = ("flowchart.svg", "flowchart.dot", "flowchart.tex")
STEPS, QUICK_STEPS = 800, 12
STEPS_PER_EPOCH = 100
"""Every epoch ends with an evaluation; a shorter text ends it earlier."""

SIZES = ("--emsize", "256", "--nhid", "256", "--batch_size", "20")
QUICK_SIZES = ("--emsize", "32", "--nhid", "32", "--batch_size", "8", "--bptt", "10")

OWN_LOOP = """\
Your own script, as it is:
  rnnprof run main.py
Or with marks of your own:
  with rnnprof.profile("run.json") as prof:
      for data in batches:
          with prof.step(tokens=data.numel()):
              with prof.stage("forward"):
                  ..."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand.

    Args:
        parser: the subcommand's own parser.
    """
    parser.add_argument(
        "--model", default="LSTM", choices=MODELS, help="kind of model (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, help=f"training steps (default: {STEPS}; rounded up to full epochs)"
    )
    parser.add_argument(
        "--out", default=".", metavar="DIR", help="folder of the files (default: the current one)"
    )
    parser.add_argument("--quick", action="store_true", help="a tiny model for a few seconds")


def run(args: argparse.Namespace) -> int:
    """Train, print the report, and write the run and its flowchart.

    Args:
        args: what :func:`add_arguments` declares.

    Returns:
        The exit code: 0, 1 without torch, 130 after Ctrl-C.

    Raises:
        RnnprofError: an option makes no sense, or the files cannot be written.
    """
    output.need_stdout()
    try:
        with warnings.catch_warnings():
            # Without NumPy torch warns at its import; the demo has no use for NumPy.
            warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
            import torch  # noqa: F401
    except ImportError:
        print("rnnprof: error: the demo trains a model with PyTorch: pip install torch", file=sys.stderr)
        return 1
    steps = args.steps if args.steps is not None else QUICK_STEPS if args.quick else STEPS
    if steps < 1:
        raise UsageError(f"--steps {steps}: give 1 or more")
    program = load_example(find_example())
    out = Path(args.out)
    check_writable(out)
    return demonstrate(program, options(args.model, steps, args.quick), out)


def demonstrate(program: ModuleType, argv: list[str], out: Path) -> int:
    """Run the example program, then report what was recorded, also after Ctrl-C.

    Args:
        program: the example's ``main.py`` as a module.
        argv: its options but for ``--profile``.
        out: folder of the files, writable.

    Returns:
        The exit code.
    """
    path = out / "run.json"
    path.unlink(missing_ok=True)
    print("Training a language model on the text of Python's help().", file=sys.stderr)
    try:
        with progress() as bar:
            program.main([*argv, "--profile", str(path)], bar)
        # The program ends early and in order after a first Ctrl-C, and at once after a second.
        interrupted = bar.done < bar.planned
    except KeyboardInterrupt:
        interrupted = True
    if not path.exists():
        print("Interrupted before anything was recorded.", file=sys.stderr)
        return 130
    if interrupted:
        print(f"Interrupted after {bar.done} steps; this is the report of those.", file=sys.stderr)
    for name in FIGURES:
        show(path, "-o", str(out / name))
    show(path)
    written = ", ".join(str(out / name) for name in ("run.json", *FIGURES))
    output.say(f"\nWritten: {written}\n\n{what_next(out)}\n")
    return 130 if interrupted else 0


def show(path: Path, *options: str) -> None:
    """Do what ``rnnprof report`` does with these options and this run."""
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    report.run(parser.parse_args([*options, "--", str(path)]))


def what_next(out: Path) -> str:
    """Return a few lines with commands to try on the files in ``out``."""
    commands = {
        f"rnnprof report {out / 'run.json'} --format markdown": "the same table, to paste",
        f"open {out / FIGURES[0]} in a browser": "the flowchart, in percent of the run",
        f"pdflatex {out / FIGURES[2]}": "the flowchart for a paper",
    }
    width = max(map(len, commands))
    lines = [f"  {command:{width}}  {purpose}" for command, purpose in commands.items()]
    return "\n".join(["What to try next:", *lines, OWN_LOOP])


def options(model: str, steps: int, quick: bool) -> list[str]:
    """Return the example's options for a number of training steps.

    Args:
        model: one of ``MODELS``.
        steps: number of steps, rounded up to full epochs of equal length.
        quick: whether to train a tiny model.
    """
    epochs = -(-steps // STEPS_PER_EPOCH)
    per_epoch = -(-steps // epochs)
    sizes = QUICK_SIZES if quick else SIZES
    counts = ["--epochs", str(epochs), "--steps", str(per_epoch)]
    return ["--model", model, "--lr", RATES[model], *sizes, *counts]


def find_example() -> Path:
    """Return the folder of the example: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for root in (package, package.parent):
        folder = root / "examples" / "word_language_model"
        if (folder / "main.py").is_file():
            return folder
    raise UsageError("the word language model is not part of this installation: reinstall rnnprof")


def load_example(folder: Path) -> ModuleType:
    """Import the example's ``main.py`` and leave ``sys.path`` and ``sys.modules`` as they were.

    Args:
        folder: the folder of ``main.py`` and the modules it imports by their plain names.

    Returns:
        The module, under a name of its own.
    """
    spec = importlib.util.spec_from_file_location("rnnprof_demo_main", folder / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    siblings = ("data", "model")
    # The user's own modules may have these names: they step aside and come back.
    aside = {name: sys.modules.pop(name) for name in siblings if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
        for name in siblings:
            sys.modules.pop(name, None)
        sys.modules.update(aside)
    return module


def check_writable(out: Path) -> None:
    """Make the folder if need be; raise UsageError if the demo could not write its files there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UsageError(f"--out {out}: cannot write there ({error.strerror})") from None
    for name in ("run.json", *FIGURES):
        if (out / name).is_dir():
            raise UsageError(f"--out {out}: {name} is a folder there")


class Progress:
    """Called after every training step: remembers how far it is and shows it now and then.

    Args:
        show: called with the number of steps done and planned when there is something to show.
        every_s: least time between two calls of ``show``, in seconds; None: every tenth of the way.
    """

    def __init__(self, show: Callable[[int, int], None], every_s: float | None) -> None:
        self.done, self.planned = 0, 1
        self._show, self._every_s, self._last_s = show, every_s, 0.0

    def __call__(self, done: int, planned: int) -> None:
        """Take note of ``done`` of ``planned`` steps."""
        self.done, self.planned = done, planned
        if self._every_s is None:
            due = done * 10 // planned > (done - 1) * 10 // planned
        else:
            due = time.monotonic() - self._last_s >= self._every_s
        if due or done == planned:
            self._last_s = time.monotonic()
            self._show(done, planned)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show the training's progress on stderr: a bar that vanishes, or lines when it is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Progress(lambda done, planned: print(f"step {done} of {planned}", file=sys.stderr), None)
        return
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Drawn between steps and by no thread of its own, which would disturb what is measured.
    with Bar(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("training", total=None)

        def show(done: int, planned: int) -> None:
            bar.update(task, completed=done, total=planned, refresh=True)

        yield Progress(show, 0.2)
