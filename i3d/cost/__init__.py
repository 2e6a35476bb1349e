"""What videos cost: the machine they are computed on, its speeds, and the prices in words."""
