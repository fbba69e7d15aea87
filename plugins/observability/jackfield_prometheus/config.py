"""Options of ``[config.prometheus]``."""

from __future__ import annotations

import msgspec


class PrometheusConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the metrics page shows."""

    process_metrics: bool = False
    """Also show figures of the gateway process itself (``process_*``, ``python_info``)."""
    llamacpp_names: bool = False
    """Also show what llama-server has under its names (``llamacpp:requests_processing``, …), with the label ``model``
    besides."""
    label_values: int = 100
    """Most values of one label (models, routes, codes); any further one is counted as ``other``."""

    def __post_init__(self) -> None:
        if self.label_values < 1:
            raise ValueError("label_values must be at least 1")
