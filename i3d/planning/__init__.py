"""Before a run: which videos there are, what is due, how it is packed into bundles and what it will cost."""
