"""What probes cost a target, what they may cost, and parks, which are counted within the rest of that budget."""
