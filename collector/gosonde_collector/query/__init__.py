"""What users may ask and push: the query services and their messages."""
