"""Snapshots: whose they are, when one is due, and asking an agent for one."""
