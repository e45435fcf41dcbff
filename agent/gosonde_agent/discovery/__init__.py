"""Finds Go processes and the files that they run."""
