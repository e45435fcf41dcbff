"""Watches one process for a while, without a collector: `gosonde trace`."""
