"""Takes snapshots, pulls profiles, and redacts paths."""
