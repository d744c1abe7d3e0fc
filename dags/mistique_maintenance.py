"""Look after the store: check it, let go of what can be re-run, compact it, collect its garbage.

Every step can be switched off, and `dry_run` changes nothing. The tab **MISTIQUE** of the run shows the report; the
run fails where somebody has to look at something, so that an alert on failed runs is enough.

It runs when it is triggered. To have it run by itself, set `SCHEDULE` in its file: `"0 3 * * 0"`, Sundays at three in
the morning, suits a store that is filled every day.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, chain

from operators import MaintenanceOperator, MaintenanceReportOperator

SCHEDULE: str | None = None

_STEPS = "Steps"
_POLICY = "What stays stored"

with DAG(
    "mistique_maintenance",
    dag_display_name="MISTIQUE maintenance",
    schedule=SCHEDULE,
    catchup=False,
    max_active_runs=1,
    tags=["mistique", "maintenance"],
    doc_md=__doc__,
    params={
        "dry_run": Param(False, type="boolean", title="Dry run", description="Say what would be done, change nothing."),
        "check": Param(True, type="boolean", title="Check", description="Look for damage.", section=_STEPS),
        "materialize": Param(
            False,
            type="boolean",
            title="Let go of what can be re-run",
            description="Each intermediate is re-run and compared first; what comes out different stays.",
            section=_STEPS,
        ),
        "compact": Param(
            True, type="boolean", title="Compact", description="Merge small files, drop dead bytes.", section=_STEPS
        ),
        "gc": Param(
            True, type="boolean", title="Collect garbage", description="Free what nothing refers to.", section=_STEPS
        ),
        "read_data": Param(
            False,
            type="boolean",
            title="Check every byte",
            description="Read and verify all files, not only what the catalogue says of them.",
            section=_STEPS,
        ),
        "grace_hours": Param(
            72,
            type="number",
            minimum=0,
            title="Grace period",
            description="Hours for which files stay after their rows were removed.",
            section=_STEPS,
        ),
        "models": Param(
            [],
            type=["null", "array"],
            items={"type": "string"},
            title="Models",
            description="project.model, one a line; empty for the whole store.",
            section=_POLICY,
        ),
        "policy": Param(
            "adaptive",
            type="string",
            enum=["adaptive", "budget", "dedup"],
            values_display={
                "adaptive": "adaptive: what saves enough query time per GB",
                "budget": "budget: the best that fits",
                "dedup": "dedup: everything, and no budget from now on",
            },
            title="Policy",
            section=_POLICY,
        ),
        "gamma_min": Param(
            500,
            type="number",
            minimum=0,
            title="Least saving",
            description="Of adaptive: seconds of query time that a stored GB must save.",
            section=_POLICY,
        ),
        "budget_megabytes": Param(
            1000,
            type="number",
            minimum=0,
            title="Budget",
            description="Megabytes that what can be re-run may take: of the whole store, or of each named model.",
            section=_POLICY,
        ),
    },
) as dag:
    steps = [
        MaintenanceOperator(task_id=step, step=step, trigger_rule="all_done")
        for step in ("check", "materialize", "compact", "gc")
    ]
    report = MaintenanceReportOperator(task_id="report", trigger_rule="all_done")
    chain(*steps, report)
    dag.add_result(report.output)
