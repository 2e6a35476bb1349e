"""What is remembered of each video between runs, and where."""
