"""Which gosonde serves these metrics, as a metric."""

import platform

from prometheus_client.core import GaugeMetricFamily, Metric

from gosonde_common import __version__


def build_metric(service: str) -> Metric:
    """gosonde_build_info of an agent or a collector."""
    family = GaugeMetricFamily(
        "gosonde_build_info",
        "1; its labels say which service this is, and what it runs on.",
        labels=("service", "version", "python_version", "architecture"),
    )
    family.add_metric((service, __version__, platform.python_version(), platform.machine()), 1)
    return family
