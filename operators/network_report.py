"""What was captured, in the plain JSON that XCom hands back as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mistique_core.store.network_report import NetworkReport


def report_to_xcom(report: NetworkReport) -> dict[str, Any]:
    """Return a report without tuples: Airflow wraps those, and whoever reads its database would see the wrapping."""
    plain: dict[str, Any] = json.loads(json.dumps(report.to_json()))
    return plain
