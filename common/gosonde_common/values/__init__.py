"""What an agent reports, as plain values: the agent makes them, the client reads them."""
