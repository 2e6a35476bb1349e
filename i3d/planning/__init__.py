"""Planning a run: which videos there are, which are due, how they are bundled and what they will cost."""
