"""Turn finished features into the files that trainers of anomaly detectors read; `all_exports` is the table of them."""
