"""Writes deploy/grafana/gosonde.json."""

from pathlib import Path

from scripts.dashboard import whole

FILE = Path(__file__).resolve().parent.parent.parent / "deploy" / "grafana" / "gosonde.json"

if __name__ == "__main__":
    FILE.write_text(whole.text())
