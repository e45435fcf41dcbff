"""What others may ask of the agent: local queries and metrics."""
