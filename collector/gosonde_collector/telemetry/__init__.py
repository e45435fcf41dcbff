"""What the collector tells of itself, and findings as metrics."""
