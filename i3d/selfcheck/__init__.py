"""Does this machine compute the right numbers, and how fast? Checked where the work will run, and kept for planning."""
