"""From the agents' streams to the store: checked, committed, acknowledged."""
