"""The query services, for what users ask and push, and their messages."""
