"""What probes cost a target, what they may cost, and parks, which are counted from what is left."""
