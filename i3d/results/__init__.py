"""What a run leaves beside the features: the metadata table and the run summary."""
