"""What the collector reports about itself, and findings as metrics."""
