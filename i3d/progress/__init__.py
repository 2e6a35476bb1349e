"""How far a run is: what decode and extract note down as they go, and how it is shown."""
