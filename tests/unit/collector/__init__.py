"""What the collector does, piece by piece."""
