"""Connections of net/http and of HTTP/2: where their goroutines stand, and what the connection's own values say."""
