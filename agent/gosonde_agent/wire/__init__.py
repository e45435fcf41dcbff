"""The agent's values as messages: no other room of the agent uses protobuf."""
