"""Measurements: `make bench` and `make precision`."""
