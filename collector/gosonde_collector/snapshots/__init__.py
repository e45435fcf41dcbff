"""Snapshots: which process they show, when one is due, and how an agent is asked for one."""
