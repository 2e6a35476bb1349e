"""From frames to features: the engine, weights files and the loop that feeds the engine."""
