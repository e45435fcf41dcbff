"""The agent's plain values: errors, losses, budgets."""
