"""What rnnprof says of a real accelerator, and what it costs there: tables for docs/accuracy.md.

    python benchmarks/gpu.py [--minutes 9] [--only PART ...] [--fp16] [--json FILE]
    python benchmarks/gpu.py --device cpu        (a dry run: every path, the smallest sizes)

Parts: the artefact of host clocks, agreement of events with kernels, the perturbation of each
clock, cuDNN against LSTMCell, models and precisions, the cost of a mark. A part that fails says why
in a line, and the others go on; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpu_parts import agreement, artefact, cells, marks, models, perturbation
from gpu_parts.bench import Bench, Findings, reason, table
from gpu_parts.card import Card

PARTS: dict[str, tuple[Callable[[Bench], Findings], float]] = {
    "artefact": (artefact.measure, 70),
    "agreement": (agreement.measure, 70),
    "perturbation": (perturbation.measure, 200),
    "cells": (cells.measure, 50),
    "models": (models.measure, 110),
    "marks": (marks.measure, 25),
}
"""Each part with its share of the time."""


def main() -> int:
    """Run the parts; 0 where all went through."""
    args = parse()
    import torch

    kind = args.device
    if kind == "cuda" and not torch.cuda.is_available():
        print("torch sees no CUDA device: give --device cpu for a dry run", file=sys.stderr)
        return 2
    began = time.monotonic()
    card = Card(kind)
    described = card.described()
    rows = [[name, text] for name, text in described.items()]
    print(f"## Measured on {described['card']}\n\n{table(['', ''], rows)}\n", flush=True)
    if kind == "cpu":
        print("A dry run: its figures mean nothing, and it flags what it cannot meet.\n")
    saved: dict[str, Any] = {"machine": described, "parts": {}, "failed": {}}
    asked = args.only or list(PARTS)
    with tempfile.TemporaryDirectory() as name:
        for place, part in enumerate(asked):
            left = args.minutes * 60 - (time.monotonic() - began)
            if left <= 0:
                saved["failed"][part] = "no time was left"
            else:
                weights = [PARTS[one][1] for one in asked[place:]]
                bench = Bench(card, kind == "cpu", Path(name), left * weights[0] / sum(weights), args.fp16)
                one_part(part, bench, saved, args.traceback)
            if part in saved["failed"]:
                print(f"### {part}\n\n**Failed: {saved['failed'][part]}**\n", flush=True)
            if args.json is not None:
                args.json.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    took = time.monotonic() - began
    print(f"{len(saved['parts'])} of {len(asked)} parts went through, in {took / 60:.1f} minutes.")
    return 1 if saved["failed"] else 0


def one_part(part: str, bench: Bench, saved: dict[str, Any], whole: bool) -> None:
    """Run one part, print its findings, and add them to what is saved.

    Args:
        part: its name.
        bench: what it is given.
        saved: gets its figures, or why it failed.
        whole: whether a failure shows where it is.
    """
    began = time.monotonic()
    try:
        found = PARTS[part][0](bench)
    except Exception as error:
        saved["failed"][part] = reason(error)
        if whole:
            traceback.print_exc()
        return
    saved["parts"][part] = {"seconds": round(time.monotonic() - began, 1), "flags": found.flags, **found.data}
    saved["failed"] |= {f"{part}, {what}": why for what, why in found.failed.items()}
    print(f"{found.markdown()}\n", flush=True)


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=9.0, help="time for all parts together")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone", metavar="PART")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a dry run")
    parser.add_argument("--fp16", action="store_true", help="half precision as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--traceback", action="store_true", help="show where a part failed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
