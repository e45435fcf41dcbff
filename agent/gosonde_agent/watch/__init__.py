"""Finding, keeping, reading and observing processes: what a run knows."""
