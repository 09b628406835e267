"""What to change: checks of a run, each with its evidence; see `advise`."""
