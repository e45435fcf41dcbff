"""Timelines as traces that Perfetto opens."""
