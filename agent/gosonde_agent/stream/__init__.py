"""Sends observations until they are acknowledged: spool, journal, uplink."""
