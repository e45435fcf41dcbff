"""The web page: findings and their evidence, for people who prefer to look."""
