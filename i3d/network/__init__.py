"""From frames to features: the network, its weights, and the loop that feeds it."""
