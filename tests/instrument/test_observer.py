"""What runs a script changes nothing: modules and folders, flags, models, bad ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.instrument.script_runs import ROOT, Runner, compare

LOOK = """\
import sys
for key, value in list(globals().items()):
    if key != "__builtins__":
        print(key, "spec" if key == "__spec__" else repr(value).split(" at 0x")[0].split(".")[-1])
if __spec__:
    print(__spec__.name, __spec__.origin, __spec__.cached, __spec__.parent, __spec__.has_location)
print(__builtins__, sys.argv, sys.path, sys.flags, sys.warnoptions, __debug__)
print(sys.modules["__main__"].__dict__ is globals(), sys.dont_write_bytecode)
"""

PROGRAM: dict[str, str | bytes] = {
    "look.py": LOOK,
    "fails.py": "def f():\n    1 / 0\n\n\nf()\n",
    "exits.py": "import sys\nsys.exit('words')",
    "interrupted.py": "raise KeyboardInterrupt",
    "unparsed.py": "x = = 1\n",
    "warned.py": "print(1 is 1)",
    "top/__init__.py": "import sys\nprint(__name__, sys.argv, sys.path[0])\nx = 1\n",
    "top/__main__.py": "from . import x\nfrom .sub import near\nprint(x, near.y, __package__)\n" + LOOK,
    "top/sub/__init__.py": "",
    "top/sub/near.py": "from .. import x\ny = x + 1\nprint(__name__, __package__)\n",
    "top/sub/fails.py": "from . import near\nimport look_like\nraise ValueError(near.y)\n",
    "top/pools.py": "import multiprocessing as m\ndef f(): print('child', __name__)\n"
    "if __name__ == '__main__':\n"
    "    p = m.get_context('spawn').Process(target=f); p.start(); p.join(); print(p.exitcode)\n",
    "look_like.py": "print(__name__)\n",
    "broken/__init__.py": "y = = 1\n",
    "broken/inner.py": "",
    "bare/deep/one.py": "from . import two\nprint(two.x)\n" + LOOK,
    "bare/deep/two.py": "x = 2",
    "folder/__main__.py": "import aside\nprint(aside.x)\n" + LOOK,
    "folder/aside.py": "x = 3",
    "folder_fails/__main__.py": "raise ValueError(1)",
    "data.json": '{"a": 1}',
}

FINISHED = "finish finished"

AS: dict[tuple[str, ...], list[str]] = {
    ("-m", "look", "a", "-b"): ["compile look.py", "begin", FINISHED],
    ("-m", "fails"): ["compile fails.py", "begin", "finish ZeroDivisionError"],
    ("-m", "exits"): ["compile exits.py", "begin", "finish SystemExit"],
    ("-m", "interrupted"): ["compile interrupted.py", "begin", "finish KeyboardInterrupt"],
    ("-m", "unparsed"): ["begin", "finish SyntaxError"],
    ("-m", "warned"): ["compile warned.py", "begin", FINISHED],
    ("-m", "top", "x"): [
        *["compile top/__main__.py", "begin", "compile top/__init__.py"],
        *["compile top/sub/__init__.py", "compile top/sub/near.py", FINISHED],
    ],
    ("-m", "top.sub.near"): [
        *[
            "compile top/sub/near.py",
            "begin",
            "compile top/__init__.py",
            "compile top/sub/__init__.py",
            FINISHED,
        ],
    ],
    ("-m", "top.sub.fails"): [
        *["compile top/sub/fails.py", "begin", "compile top/__init__.py", "compile top/sub/__init__.py"],
        *["compile top/sub/near.py", "compile look_like.py", "finish ValueError"],
    ],
    ("-m", "top.pools"): ["compile top/pools.py", "begin", "compile top/__init__.py", FINISHED],
    ("-m", "broken.inner"): ["compile broken/inner.py", "begin", "finish SyntaxError"],
    ("-m", "bare.deep.one"): ["compile bare/deep/one.py", "begin", "compile bare/deep/two.py", FINISHED],
    ("folder", "x"): ["compile folder/__main__.py", "begin", "compile folder/aside.py", FINISHED],
    ("./folder/", "x"): ["compile folder/__main__.py", "begin", "compile folder/aside.py", FINISHED],
    ("folder_fails",): ["compile folder_fails/__main__.py", "begin", "finish ValueError"],
    ("./look.py",): ["compile look.py", "begin", FINISHED],
    ("top/../look.py",): ["compile look.py", "begin", FINISHED],
    ("top/sub/../../warned.py",): ["compile warned.py", "begin", FINISHED],
}


@pytest.mark.parametrize("words", AS, ids=" ".join)
def test_modules_and_folders(words: tuple[str, ...], tmp_path: Path) -> None:
    assert compare(tmp_path, PROGRAM, *words) == AS[words]


FLAGS: dict[tuple[str, ...], str] = {
    ("-O",): LOOK,
    ("-OO", "-B", "-u"): "'doc'\nprint(__doc__)\n" + LOOK,
    ("-X", "utf8"): LOOK + "print(open(__file__).encoding)",
    ("-X", "dev"): LOOK + "open(__file__)",
    ("-X", "faulthandler"): LOOK + "import faulthandler\nprint(faulthandler.is_enabled())",
    ("-I",): LOOK + "try:\n    import look\nexcept ImportError as e: print(e)",
    ("-W", "error"): LOOK + "import warnings\nwarnings.warn('w')",
    ("-W", "error", "-O"): LOOK + "print(1 is 1)",
    ("-W", "ignore"): LOOK + "print(1 is 1)\nimport warnings\nwarnings.warn('w')",
    ("-W", "error", "-B"): "try:\n    import warned\nexcept SyntaxError:\n"
    "    import traceback; traceback.print_exc()\nimport warned\n",
}
if sys.version_info >= (3, 11):
    FLAGS["-P",] = LOOK + "try:\n    import look\nexcept ImportError as e: print(e)"


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_flags_of_python(flags: tuple[str, ...], tmp_path: Path) -> None:
    compare(tmp_path, {**PROGRAM, "main.py": FLAGS[flags]}, "main.py", flags=flags)


def test_a_link_to_a_script(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "tool.py").write_text(LOOK + "import aside\n1 / 0")
    (real / "aside.py").write_text("print(__file__)")
    link = tmp_path / "link.py"
    link.symlink_to(real / "tool.py")
    notes = compare(tmp_path, {}, str(link))
    assert notes[-2:] == ["compile ../real/aside.py", "finish ZeroDivisionError"]


def test_code_that_cannot_be_rewritten_runs_as_it_is(tmp_path: Path) -> None:
    notes = compare(tmp_path, PROGRAM, "-m", "top.sub.near", mode="broken")
    assert notes[-3:] == [
        f"failure FOLDER/top/{name}: RuntimeError: no rewriting"
        for name in ("sub/near.py", "__init__.py", "sub/__init__.py")
    ]
    assert notes[-4] == FINISHED


def test_code_that_is_left_alone(tmp_path: Path) -> None:
    assert compare(tmp_path, PROGRAM, "top/sub/../../look.py", mode="none")[-1] == FINISHED


def test_an_error_at_the_end_is_one_line_and_leaves_the_exit_code(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {"main.py": "import os\nprint(1, flush=True)\nos._exit(5)", **PROGRAM})
    assert runner.under("badend", "main.py") == (5, b"1\n", b"rnnprof: error: the disk is full\n")
    assert runner.under("badend", "exits.py") == (1, b"", b"words\nrnnprof: error: the disk is full\n")


def test_a_driver_that_is_itself_run_as_a_module(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {"main.py": LOOK + "import look_like\nraise KeyboardInterrupt", **PROGRAM})
    runner.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(runner.driver.parent)])
    for words in (["main.py", "x"], ["-m", "main"]):
        assert runner.by_module("tree", *words) == runner.plain(*words)


RESTORED = """\
import atexit, os, sys
kept = os._exit
def look():
    finders = [f for f in sys.meta_path if type(f).__module__.startswith("rnnprof")]
    print(type(os._exit).__name__, len(finders), flush=True)
if os.fork() == 0:
    look()
    kept(0)
os.wait()
look()
"""


def test_what_is_patched_is_put_back(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {"main.py": RESTORED})
    runner.lay_out()
    program = """
import sys
from rnnprof.instrument.script import find_target, run_script
def finish(ended):
    sys.modules["__main__"].look()
sys.exit(run_script(find_target("main.py", None, []), lambda *a: None, lambda: None, finish))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        cwd=runner.folder,
        env=runner.environment,
        check=True,
    )
    words = b"builtin_function_or_method 0\n"
    assert done.stdout == words + b"function 1\n" + words


TORCH = """\
import inspect, io, sys, warnings
warnings.filterwarnings("ignore")
assert "torch" not in sys.modules
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4)

    def forward(self, x):
        return self.rnn(x)[0]

torch.manual_seed(1)
net, file = Net(), io.BytesIO()
torch.save(net, file)
file.seek(0)
again = torch.load(file, weights_only=False)
print(type(again) is Net, again(torch.ones(2, 1, 3)).sum().item(), torch.rand(1).item())
print(len(file.getvalue()), inspect.getsource(Net))
"""


def test_models_are_saved_with_their_class(tmp_path: Path) -> None:
    assert compare(tmp_path, {"main.py": TORCH}, "main.py") == ["compile main.py", "begin", FINISHED]
