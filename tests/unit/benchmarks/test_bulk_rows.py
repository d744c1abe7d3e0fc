"""Rows that a benchmark inserts in bulk are those of ordinary inserts, and so are the indexes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from benchmarks import modeldb_scale
from benchmarks.bulk_rows import insert_columns
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.migrate import ensure_schema
from mistique_core.catalogue.modeldb_tables import metric

RUNS, WIDTH = 7, 5


def inserted_one_by_one(catalogue: Catalogue, table: sa.Table, batches: Any) -> None:
    with catalogue.write() as connection:
        for batch in batches:
            rows = zip(*(values.tolist() for values in batch.values()), strict=True)
            connection.execute(sa.insert(table), [dict(zip(batch, row, strict=True)) for row in rows])


def content(catalogue: Catalogue) -> tuple[Any, ...]:
    with catalogue.read() as connection:
        rows = connection.execute(sa.select(metric).order_by(*metric.primary_key.columns)).all()
        found = sa.inspect(connection)
        indexes = {
            index["name"]: (index["column_names"], {key: str(value) for key, value in index["dialect_options"].items()})
            for index in found.get_indexes(metric.name)
        }
        keys = found.get_pk_constraint(metric.name), found.get_foreign_keys(metric.name)
        settings = ()
        if catalogue.dialect == "sqlite":
            settings = tuple(
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "foreign_keys", "synchronous")
            )
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    return rows, indexes, keys, settings


def test_bulk_rows_are_those_of_ordinary_inserts(
    catalogue_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    plain = Catalogue(f"sqlite:///{tmp_path_factory.mktemp('plain') / 'catalogue.db'}")
    bulk = Catalogue(catalogue_url)
    monkeypatch.setattr(modeldb_scale, "BATCH", 3)
    try:
        for catalogue, insert in ((bulk, insert_columns), (plain, inserted_one_by_one)):
            ensure_schema(catalogue)
            before = content(catalogue)
            monkeypatch.setattr(modeldb_scale, "insert_columns", insert)
            modeldb_scale.fill(catalogue, RUNS, WIDTH)
            after = content(catalogue)
            assert after[1:] == before[1:]
            assert len(after[0]) == RUNS * WIDTH
        assert content(bulk)[0] == content(plain)[0]
    finally:
        plain.close()
        bulk.close()


def test_values_survive_the_binary_format(postgres_url: str) -> None:
    catalogue = Catalogue(postgres_url)
    table = sa.Table(
        "kinds",
        sa.MetaData(),
        sa.Column("a", sa.BigInteger, primary_key=True),
        sa.Column("b", sa.Integer),
        sa.Column("c", sa.Float),
        sa.Column("d", sa.Boolean),
        sa.Index("ix_kinds_c", "c"),
    )
    values = {
        "a": np.array([1, 2**40, 2**62]),
        "b": np.array([-1, 0, 2**31 - 1]),
        "c": np.array([0.1, -1e300, np.inf]),
        "d": np.array([True, False, True]),
    }
    try:
        with catalogue.write() as connection:
            table.create(connection)
        insert_columns(catalogue, table, [values])
        with catalogue.read() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.a)).all()
        assert [tuple(row) for row in rows] == list(zip(*(column.tolist() for column in values.values()), strict=True))
    finally:
        catalogue.close()
