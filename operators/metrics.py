"""Airflow's metrics: what the store does, for the StatsD or OpenTelemetry that Airflow is set up with.

Without ``[metrics] statsd_on`` or ``otel_on`` Airflow drops them. Names begin with Airflow's own prefix.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mistique_core.telemetry import Activity, subscribe

PREFIX = "mistique"
_COUNTED = {
    "stage": ("logical_bytes", "stored_bytes"),
    "query": ("chunks", "fetched_bytes", "skipped_chunks"),
    "capture": ("logical_bytes", "stored_bytes", "rows"),
    "gc": ("deleted_files", "deleted_bytes", "orphans"),
    "compact": ("removed_bytes", "written_bytes"),
}
"""Activity -> fields that are counters, named ``mistique.ACTIVITY.FIELD``."""


def publish() -> None:
    """Hand on what this process's stores do from now on; may be called again."""
    subscribe(send)


def send(activity: Activity) -> None:
    """Send one activity.

    Counters: ``mistique.stage.executed`` and ``.reused``; ``mistique.query.read``, ``.rerun`` and ``.mixed``;
    ``mistique.query.from_memory``; ``mistique.gc.done`` and so on, and the fields of `_COUNTED`. Timers:
    ``mistique.stage.seconds``, ``mistique.query.read_seconds`` and ``.rerun_seconds``. Gauges:
    ``mistique.query.read_estimate_ratio`` and ``.rerun_estimate_ratio``, how many times as long as estimated it took.
    """
    stats = _stats()
    name, fields = f"{PREFIX}.{activity.name}", activity.fields
    kind = str(fields.get("strategy") or fields.get("outcome") or "done")
    stats.incr(f"{name}.{kind}")
    if fields.get("is_from_memory"):
        stats.incr(f"{name}.from_memory")
    for field in _COUNTED.get(activity.name, ()):
        if fields.get(field):
            stats.incr(f"{name}.{field}", int(fields[field]))
    label = f"{kind}_" if activity.name == "query" else ""
    if "seconds" in fields:
        stats.timing(f"{name}.{label}seconds", timedelta(seconds=float(fields["seconds"])))
    if "estimate_ratio" in fields:
        stats.gauge(f"{name}.{label}estimate_ratio", float(fields["estimate_ratio"]))


def _stats() -> Any:
    try:
        from airflow.sdk.observability.stats import Stats
    except ImportError:  # Airflow before 3.2
        from airflow.stats import Stats
    return Stats
