"""Goroutine snapshots, for servers of profiles."""
