"""Where an intermediate comes from, in the words of W3C's PROV."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import metadata
from typing import Any
from urllib.parse import quote

from mistique_core.exports.description import Description


def provenance(described: Description) -> dict[str, Any]:
    """Return ``prov:wasGeneratedBy`` and ``prov:wasDerivedFrom`` of an intermediate, for a JSON-LD document."""
    run, stage = described.run, described.stage
    activity: dict[str, Any] = {
        "@type": "prov:Activity",
        "prov:label": stage.name if stage else f"{run.dag_id} {run.run_id}",
    }
    started, ended = (stage.started_at, stage.ended_at) if stage else (run.started_at, run.ended_at)
    if started is not None:
        activity["prov:startedAtTime"] = time_text(started)
    if ended is not None:
        activity["prov:endedAtTime"] = time_text(ended)
    facts: dict[str, Any] = {
        "project": described.project,
        "model": described.model,
        "model version": described.version,
        "intermediate": described.intermediate,
        "content address": described.address,
        "run source": run.source,
        "run name": run.dag_id,
        "run id": run.run_id,
        "code version": run.code_version,
    }
    if stage is not None:
        facts |= {
            "stage": stage.name,
            "operator": stage.operator,
            "parameters": json.dumps(stage.params, sort_keys=True),
            "code hash": stage.code_hash,
            "reused from": stage.reused_from,
        }
    activity["additionalProperty"] = [
        {"@type": "sc:PropertyValue", "name": name, "value": value}
        for name, value in facts.items()
        if value is not None
    ]
    activity["prov:wasAssociatedWith"] = {
        "@type": "prov:SoftwareAgent",
        "prov:label": f"mistique-airflow {metadata.version('mistique-airflow')}",
    }
    made: dict[str, Any] = {"prov:wasGeneratedBy": activity}
    if stage is not None and stage.inputs:
        made["prov:wasDerivedFrom"] = [
            {"@type": "prov:Entity", "@id": f"urn:mistique:{quote(label, safe='')}", "prov:label": label}
            for label in stage.inputs.values()
        ]
    return made


def time_text(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 has them, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
