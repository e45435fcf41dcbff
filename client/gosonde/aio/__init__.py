"""The clients for asyncio, from which scripts/generate_client.py makes those that block."""
