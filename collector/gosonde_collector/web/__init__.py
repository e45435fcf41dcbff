"""The web page: what the collector knows, for whoever would rather look than read."""
