"""One step looked at closely: where the host waits, what is computed, and what memory it takes."""
