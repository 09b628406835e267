"""What the probe costs: rnnprof's own time in a short training of a language model, once a run.

    python benchmarks/probe.py [--rounds N]

Each process trains an LSTM for twelve steps; what is printed is the run's stage `rnnprof`, in which all
work beside the steps is counted, saving the run included. What torch has made when it was imported is
kept from the garbage collector: going through it takes 0.1 s, in whatever work that falls.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import median

PROGRAM = """
import gc, json, sys, tempfile, torch, rnnprof
gc.collect()
gc.freeze()
torch.manual_seed(0)
encoder, rnn, decoder = torch.nn.Embedding(1000, 200), torch.nn.LSTM(200, 200, 2), torch.nn.Linear(200, 1000)
model = torch.nn.ModuleList([encoder, rnn, decoder])
words = torch.randint(0, 1000, (36, 20))
with tempfile.TemporaryDirectory() as folder:
    with rnnprof.profile(folder + "/run.json", probe=json.loads(sys.argv[1])) as prof:
        for _ in range(12):
            with prof.step():
                with prof.stage("forward"):
                    out = decoder(rnn(encoder(words[:-1]))[0].flatten(0, 1))
                with prof.stage("loss"):
                    loss = torch.nn.functional.cross_entropy(out, words[1:].flatten())
                with prof.stage("backward"):
                    loss.backward()
                with prof.stage("log"):
                    loss.item()
    own = [one.series.total_ns for one in prof.run.lane("train").stages if one.name == "rnnprof"]
    print(sum(own))
"""
WAYS = {"no probe": False, "the default probe": None, "with torch's profiler": True}


def main() -> None:
    """Run each way in turn, and print the median of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="processes of each way (default: %(default)s)")
    rounds = parser.parse_args().rounds
    found: dict[str, list[int]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, asked in WAYS.items():
            command = [sys.executable, "-c", PROGRAM, json.dumps(asked)]
            found[way].append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print("| | rnnprof's own time, median (least to most) |\n|---|---|")
    for way, spans in found.items():
        print(f"| {way} | {median(spans) / 1e6:.1f} ms ({min(spans) / 1e6:.1f} to {max(spans) / 1e6:.1f}) |")


if __name__ == "__main__":
    main()
