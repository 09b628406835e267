"""The command line: one file per subcommand, loaded when it is asked for."""

COMMANDS = {
    "run": "run a script that nobody edited, find its training step, and show where the time goes",
    "report": "print where the time of a recorded run went, or draw it as a flowchart",
    "compare": "tell whether a program is faster or slower than it was, and which stages make it so",
    "sweep": "run every combination of a grid of arguments, and show what explains the time of a step",
    "view": "open a run and its traces in TensorBoard, Perfetto, speedscope or snakeviz",
    "demo": "profile a small recurrent language model and show the report (about a minute; needs torch)",
}
"""Every subcommand and its help. A module of the same name holds ``add_arguments(parser)`` and
``run(args) -> int``."""
