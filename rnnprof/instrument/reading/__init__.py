"""Reading the user's source: what its names hold, what its calls mean, and which loops are steps."""
