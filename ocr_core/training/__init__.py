"""Training: labels, tasks, the one loop, and what hangs on it."""
