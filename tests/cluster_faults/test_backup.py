"""A backup that is taken while runs write holds every run that had ended, and can be gone on with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mistique_core import Mistique
from mistique_core.storage.object_address import ObjectAddress, ObjectOptions
from mistique_core.storage.object_requests import ObjectRequests
from operators.cluster.components import BUCKET
from operators.cluster.databases import Databases
from operators.cluster.postgres import find_programs
from operators.demo.airflow_settings import HOST
from tests.cluster_faults.mending import MendedCluster, check_values, keep

pytestmark = pytest.mark.airflow

RESTORED = "restored"


def postgres(mended: MendedCluster, program: str, *options: str) -> None:
    """Run one of PostgreSQL's programs as its superuser."""
    server = mended.cluster.databases.server
    place = ["--host", HOST, "--port", str(server.port), "--username", server.user]
    variables = {"PGPASSWORD": server.password or "", "PATH": "/usr/bin"}
    subprocess.run([str(find_programs() / program), *place, *options], check=True, env=variables, timeout=300)


def copy_bucket(mended: MendedCluster, target: str) -> int:
    """Copy all objects below another prefix, in no order that anybody relies on; return how many."""
    source, copy = (
        ObjectRequests(ObjectAddress.parse(f"s3://{BUCKET}/{prefix}"), ObjectOptions()) for prefix in ("store", target)
    )
    copied = 0
    for item in source.list(""):
        data = source.read(item.path)
        if data is not None:  # deleted meanwhile
            copied += copy.create(item.path, data)
    return copied


def test_a_backup_of_a_store_that_is_written(mended: MendedCluster, tmp_path: Path) -> None:
    mended.trigger("before", seed=41)
    mended.finish("before")
    for place in range(3):  # these write while the backup is made
        mended.trigger(f"during_{place}", seed=42 + place, rows=20_000)
    mended.wait_until(lambda: mended.state("during_0") == "running", "a run")
    dump = tmp_path / "catalogue.dump"
    postgres(mended, "pg_dump", "--format", "custom", "--file", str(dump), "mistique")
    copied = copy_bucket(mended, RESTORED)
    for place in range(3):
        mended.finish(f"during_{place}")
    databases = mended.cluster.databases
    postgres(mended, "createdb", "--owner", "mistique", RESTORED)
    owner = ["--no-owner", "--role", "mistique"]
    postgres(mended, "pg_restore", *owner, "--dbname", RESTORED, "--exit-on-error", str(dump))
    address = Databases(databases.server, databases.airflow, "mistique", "", databases.catalogue_password)
    url = address.catalogue_url().rpartition("/")[0] + f"/{RESTORED}"
    with Mistique.open(f"s3://{BUCKET}/{RESTORED}", url) as restored:
        report = restored.check(read_data=True)
        assert report.problems == ()
        assert report.is_complete
        check_values(restored, "before", 41, 2_000)
        listed = restored.intermediates("mended")
        assert set(listed["model"]) >= {"before"}
        restored.log_frame("mended", "later", "x", restored.get_intermediates("mended.before@1.numbers").to_pandas())
        restored.gc(grace_seconds=0)
        assert restored.check(read_data=True).problems == ()
        files = [file.name for file in restored.backend.files()]
        for name in files:
            restored.backend.delete(name)
    keep("backup while three runs write, restored elsewhere", {"objects": copied, "files": len(files)})
    postgres(mended, "dropdb", "--force", RESTORED)
