"""The agent's values as messages: the only room of the agent that knows protobuf."""
