"""From a run to the numbers that a user sees; pure functions without torch or output."""
