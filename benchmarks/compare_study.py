"""How often `rnnprof compare` is wrong, and how often it finds what is there: simulated pairs of runs.

python benchmarks/compare_study.py [--pairs 200] [--steps 2000] [--stages]

Every row is a kind of noise (`tests/noisy_runs.py` has each): how many of the pairs of identical runs
were told apart, how many of the pairs with a step that is 5 % slower were found, and the smallest
difference that a pair could show, on average. With ``--stages`` the runs have six stages each, and
the columns are: pairs in which any stage was told apart wrongly, and pairs in which `backward`, 10 %
slower, was found. Below: pairs of sides whose runs differ by the machine's state as well.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rnnprof.analysis.compare import compare
from rnnprof.analysis.compared import NONE, SLOWER, Comparison
from tests.noisy_runs import NOISES, alike, bare_run, noisy_run

FACTOR, STAGE_FACTOR = 1.05, 1.10
BETWEEN = 0.02
"""Standard deviation between the means of whole runs, in the last table."""


def pair(name: str, steps: int, factor: float, seed: int) -> tuple[str, float]:
    """Two runs with that noise, the second slower by the factor: the verdict, and what would show."""
    dice = random.Random(seed)
    found = compare(bare_run(dice, NOISES[name], steps), bare_run(dice, NOISES[name], steps, factor))
    return found.step.verdict, found.step.smallest or 0.0


def staged(name: str, steps: int, factor: float, seed: int) -> tuple[bool, bool]:
    """The same with stages, of which one is slower: whether it is found, and whether any other is."""
    dice = random.Random(seed)
    slower = {"backward": factor}
    found = compare(noisy_run(dice, NOISES[name], steps), noisy_run(dice, NOISES[name], steps, slower))
    told = {stage.name: stage.verdict for stage in found.stages if stage.verdict != NONE}
    hit = told.pop("backward", NONE)
    wrong = bool(told) or (factor == 1 and hit != NONE)
    return hit == SLOWER, wrong


def sides(runs: int, steps: int, factor: float, seed: int) -> Comparison:
    """Several runs a side, each at a level of its own."""
    dice = random.Random(seed)

    def run(slower: float) -> object:
        return bare_run(dice, alike, steps, slower * (1 + dice.gauss(0, BETWEEN)))

    return compare([run(1.0) for _ in range(runs)], [run(factor) for _ in range(runs)])  # type: ignore[misc]


def told(runs: int, steps: int, factor: float, seed: int) -> str:
    """The verdict of `sides`."""
    return sides(runs, steps, factor, seed).step.verdict


def main(argv: Sequence[str] | None = None) -> int:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--stages", action="store_true", help="with stages, which takes longer")
    args = parser.parse_args(argv)
    with ProcessPoolExecutor() as pool:

        def rate(one: Callable[[int], object], right: Callable[[object], bool]) -> float:
            return fmean(right(each) for each in pool.map(one, range(args.pairs), chunksize=5))

        print(f"{args.pairs} pairs, {args.steps} steps a run\n")
        if args.stages:
            print(
                f"{'noise':16}{'identical: any stage told apart':>34}"
                f"{'+10 % of backward: found':>28}{'others':>9}"
            )
            for name in NOISES:
                same = rate(partial(staged, name, args.steps, 1.0), lambda each: each[1])  # type: ignore[index]
                hits = list(pool.map(partial(staged, name, args.steps, STAGE_FACTOR), range(args.pairs)))
                print(
                    f"{name:16}{same:34.1%}{fmean(hit for hit, _ in hits):28.1%}"
                    f"{fmean(wrong for _, wrong in hits):9.1%}",
                    flush=True,
                )
            return 0
        print(f"{'noise':16}{'identical: told apart':>24}{'+5 %: found':>14}{'smallest':>11}")
        for name in NOISES:
            same_found = list(pool.map(partial(pair, name, args.steps, 1.0), range(args.pairs), chunksize=5))
            slower = list(pool.map(partial(pair, name, args.steps, FACTOR), range(args.pairs), chunksize=5))
            wrong = fmean(verdict != NONE for verdict, _ in same_found)
            hit = fmean(verdict == SLOWER for verdict, _ in slower)
            print(
                f"{name:16}{wrong:24.1%}{hit:14.1%}{fmean(part for _, part in same_found):11.1%}", flush=True
            )
        print(f"\nruns a side, which differ by {BETWEEN:.0%} (standard deviation) besides")
        for runs in (1, 2, 3, 5):
            same = rate(partial(told, runs, 500, 1.0), lambda verdict: verdict != NONE)
            hit = rate(partial(told, runs, 500, FACTOR), lambda verdict: verdict == SLOWER)
            print(f"{runs:<16}{same:24.1%}{hit:14.1%}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
