"""Where and how a run was made: versions, machine, command line; without its secrets."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnprof import accelerator_facts
from rnnprof._version import __version__
from rnnprof.model import Json

SECRET = re.compile(
    r"(api[-_]?key|access[-_]?key|(^|[-_])key$|token(?!s|iz)|secret|passw|passwd|pwd|credential|auth(?!or))",
    re.I,
)
"""Names of arguments whose values are left out. ``--tokens`` and ``--tokenizer`` are no secrets."""

LOOKS_SECRET = re.compile(
    r"(sk|pk|rk|hf|ghp|gho|ghs|glpat|xox[abpr]|github_pat)[-_][A-Za-z0-9_-]{16,}"
    r"|AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"
    r"|(?=[A-Za-z0-9+_-]*[a-z])(?=[A-Za-z0-9+_-]*[A-Z])(?=[A-Za-z0-9+_-]*\d)[A-Za-z0-9+_-]{32,}={0,2}"
    r"|[0-9a-fA-F]{32,}"
)
URL_PASSWORD = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
HIDDEN = "***"


def collect() -> Json:
    """Everything about this process that a reader of the run may ask for.

    Returns:
        A dict of plain JSON. A thing that cannot be found out is absent, not guessed.
    """
    found: Json = {
        "rnnprof": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": _ask(platform.platform),
        "machine": _ask(platform.machine),
        "cpu": _ask(_cpu),
        "cpu_count": _ask(os.cpu_count),
        "cpus_usable": _ask(_usable),
        "command": _ask(lambda: hide_secrets(_command())),
        "pid": os.getpid(),
        "git": _ask(_git),
        "rank": _number("RANK"),
        "world_size": _number("WORLD_SIZE"),
        "load_average": _ask(_load),
        "env": {
            name: os.environ[name]
            for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES")
            if name in os.environ
        },
    }
    return {key: value for key, value in found.items() if value not in (None, "", {})}


def at_end() -> Json:
    """What is only known once the program has used it: torch, its threads and its device."""
    peak = _ask(_peak)
    found: Json = {} if peak is None else {"peak_resident_bytes": peak}
    torch = sys.modules.get("torch")
    if torch is None:
        return found
    # Of a torch that is half imported or a device that has died, the rest is still worth saving.
    found["torch"] = _ask(lambda: str(torch.__version__))
    found["threads"] = _ask(lambda: torch.get_num_threads())
    found["onednn_enabled"] = _ask(lambda: _onednn(torch))
    found.update(accelerator_facts.facts(torch))
    if "cuda" in found:
        found["driver"] = _ask(_driver)
    found["load_average_at_end"] = _ask(_load)
    return {key: value for key, value in found.items() if value not in (None, "")}


def hide_secrets(arguments: list[str]) -> list[str]:
    """A command line without the values of arguments that look like keys or tokens.

    Args:
        arguments: the command line, in its parts.

    Returns:
        The same with such values replaced by ``***``.
    """
    shown = []
    hide_next = False
    for argument in arguments:
        name, sign, _ = argument.partition("=")
        if hide_next and not argument.startswith("-"):
            shown.append(HIDDEN)
        elif sign and SECRET.search(name):
            shown.append(f"{name}={HIDDEN}")
        else:
            text = URL_PASSWORD.sub(HIDDEN, argument)
            shown.append(text if _is_path(text) else LOOKS_SECRET.sub(HIDDEN, text))
        hide_next = argument.startswith("-") and not sign and bool(SECRET.search(argument))
    return shown


def _ask(question: Callable[[], Any]) -> Any:
    """The answer, or None where there is none: a run is worth more than what is said about it."""
    try:
        return question()
    except Exception:
        return None


def _load() -> list[float] | None:
    return [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _peak() -> int | None:
    """The most that was ever resident in this process: ``VmHWM`` in ``/proc/self/status`` (proc(5))."""
    match = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text("utf-8"), re.MULTILINE)
    return int(match.group(1)) * 1024 if match else None


def _onednn(torch: Any) -> bool | None:
    """Whether torch may use oneDNN; None where it was built without."""
    return bool(torch.backends.mkldnn.enabled) if torch.backends.mkldnn.is_available() else None


def _is_path(text: str) -> bool:
    return "/" in text and os.path.exists(text)


def _command() -> list[str]:
    script = sys.argv[0] if sys.argv else ""
    own = Path(script) == Path(__file__).with_name("__main__.py")
    if own or (Path(script).stem == "rnnprof" and sys.argv[1:2] == ["run"]):
        return ["rnnprof", *sys.argv[1:]]
    return [Path(sys.executable or "python").name, script, *sys.argv[1:]] if script else []


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    # A run file holds no longer numbers.
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def _usable() -> int | None:
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _driver() -> str | None:
    text = Path("/proc/driver/nvidia/version").read_text("utf-8", "replace")
    match = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", text)
    return match.group(1) if match else None


def _git() -> str | None:
    """The commit of the script's repository, with ``+`` where it has been edited."""
    folder = Path(sys.argv[0]).resolve().parent if sys.argv and sys.argv[0] else Path.cwd()
    commit = _ask_git(folder, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return None
    return commit + ("+" if _ask_git(folder, "status", "--porcelain", "-uno") else "")


def _ask_git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=2,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
