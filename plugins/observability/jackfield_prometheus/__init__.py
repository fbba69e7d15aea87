"""Prometheus metrics: an observer with a page for ``/metrics``.

Only hook implementations stand here; prometheus_client is imported when a gateway asks for the observer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_prometheus.config import PrometheusConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.observer import Observer, ObserverFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[PrometheusConfig]:
    """``[config.prometheus]``."""
    return PrometheusConfig


@hookimpl
def jackfield_observers(instance: PluginInstance) -> Mapping[str, ObserverFactory]:
    """One observer, under the instance's name."""
    config = instance.config(PrometheusConfig)

    def make() -> Observer:
        from jackfield_prometheus.observer import PrometheusObserver  # only a gateway needs it

        return PrometheusObserver(config)

    return {instance.name: make}
