"""What Airflow's provider manager asks for: the connection type and the task decorator.

Loaded while Airflow is still reading its configuration: nothing is imported here.
"""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in Airflow's format."""
    return {
        "package-name": "mistique-airflow",
        "name": "MISTIQUE",
        "description": "Stores every intermediate of every pipeline stage and answers diagnostic queries.",
        "versions": ["0.1.0"],
        "connection-types": [
            {
                "connection-type": "mistique",
                "hook-class-name": "operators.hook.MistiqueHook",
                "hook-name": "MISTIQUE store",
                "conn-fields": {
                    "catalogue_url": {
                        "label": "Catalogue URL",
                        "description": "SQLAlchemy URL of SQLite or PostgreSQL; empty: a SQLite file in the folder.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "block_rows": {
                        "label": "Rows per block",
                        "description": "Rows of a table that are stored and read together; empty: 65,536.",
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                    "budget_bytes": {
                        "label": "Budget in bytes",
                        "description": "Most bytes that all that can be re-run may take; empty: any. "
                        "'mistique materialize --all' enforces it.",
                        "schema": {"type": ["integer", "null"], "minimum": 0},
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["port", "schema", "login", "password"],
                    "relabeling": {"host": "Folder of the store"},
                    "placeholders": {"host": "/var/lib/mistique"},
                },
            }
        ],
        "task-decorators": [{"name": "stage", "class-name": "operators.stage_decorator.stage_task"}],
    }
