"""Captures of the same run: torch.profiler, cProfile and the spans themselves."""
