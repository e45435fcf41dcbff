"""Messages of an agent as values: beside the agent's own `wire`, the only room of these two that knows protobuf."""
