"""What travels to executors, without a Spark."""

from mistique_core.spark.executor_write import BlocksToWrite


def test_what_travels_shows_no_password() -> None:
    task = BlocksToWrite(
        location="s3://bucket/store",
        catalogue_url="postgresql+psycopg://user:kept-secret@db/mistique",
        settings={},
        capture_id=1,
        columns=(),
        row_id=None,
        block_rows=10,
        rows=25,
        starts=(0, 12),
        counts=(12, 13),
        has_check=False,
        what="frame 'x'",
    )
    assert "kept-secret" not in repr(task)
    assert "kept-secret" not in repr(task.write_inside)
    assert "bucket" in repr(task)
