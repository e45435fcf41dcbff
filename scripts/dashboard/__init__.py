"""The Grafana dashboard: `python -m scripts.dashboard` writes deploy/grafana/gosonde.json."""
