"""Finds, keeps, reads and observes processes: everything that a run knows of them."""
