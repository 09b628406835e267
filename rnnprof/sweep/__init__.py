"""Sweeps: every combination of a grid of arguments as a run of its own, in a process of its own."""
