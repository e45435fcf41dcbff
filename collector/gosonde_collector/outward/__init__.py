"""What the collector sends to others by HTTP: findings as alerts, and profiles."""
