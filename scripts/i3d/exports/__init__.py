"""What trainers of anomaly detectors read."""
