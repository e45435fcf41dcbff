"""Taking snapshots, pulling profiles, redaction."""
