"""Statements that go to the driver leave the rows, and raise the errors, that SQLAlchemy's own do."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from mistique_core.catalogue import Catalogue, ensure_schema
from mistique_core.catalogue.driver_statements import (
    find_ids,
    find_largest,
    find_row,
    insert_ignore,
    insert_new,
    insert_returning_ids,
    update_row,
)
from mistique_core.catalogue.modeldb_tables import fit_facts, frame_schema, value_name
from mistique_core.catalogue.tables import experiment_run, model, project
from mistique_core.errors import CatalogueError, CatalogueUnavailableError

HEAD = {"problem_type": "regression", "label_columns": ["a", "ü", None], "prediction_columns": []}


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    catalogue = Catalogue(catalogue_url)
    ensure_schema(catalogue)
    yield catalogue
    catalogue.close()


def rows(catalogue: Catalogue, table: sa.Table) -> list[dict[str, Any]]:
    """The rows as SQLAlchemy reads them."""
    with catalogue.read() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]


def test_ids_come_in_the_order_of_the_rows(catalogue: Catalogue) -> None:
    names = [f"name {number * 7919 % 1000}" for number in range(1000)]
    with catalogue.write() as connection:
        ids = insert_returning_ids(connection, value_name, [{"name": name} for name in names])
        assert insert_returning_ids(connection, value_name, []) == []
        (later,) = insert_returning_ids(connection, value_name, [{"name": "later"}])
    assert {row["id"]: row["name"] for row in rows(catalogue, value_name)} == {
        **dict(zip(ids, names, strict=True)),
        later: "later",
    }
    assert [*ids, later] == sorted({*ids, later})


def test_rows_that_are_there_stay(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        first = insert_new(connection, project, {"name": "bank", "created_at": 1.0})
        assert insert_new(connection, project, {"name": "bank", "created_at": 2.0}) is None
        insert_ignore(connection, project, [{"name": name, "created_at": 3.0} for name in ("bank", "zoo")])
        insert_ignore(connection, project, [{"name": "bank", "created_at": 4.0}])
        insert_ignore(connection, project, [])
        assert find_row(connection, project, {"name": "bank"}) == (first,)
        assert find_row(connection, project, {"name": "zoo"}, ("name", "created_at")) == ("zoo", 3.0)
        assert find_row(connection, project, {"name": "none"}) is None
    assert [(row["name"], row["created_at"]) for row in rows(catalogue, project)] == [("bank", 1.0), ("zoo", 3.0)]


@pytest.mark.parametrize("count", [0, 1, 8, 9, 513])
def test_ids_are_found_by_texts_and_bytes(catalogue: Catalogue, count: int) -> None:
    names = [f"{number}" for number in range(count)]
    addresses = [bytes([number % 256, number // 256, 0, 255]) for number in range(count)]
    with catalogue.write() as connection:
        ids = insert_returning_ids(connection, value_name, [{"name": name} for name in names])
        documents = [{"address": address, "document": b"\0"} for address in addresses]
        schemas = insert_returning_ids(connection, frame_schema, documents)
        assert find_ids(connection, value_name, "name", [*names, "none"]) == dict(zip(names, ids, strict=True))
        assert find_ids(connection, frame_schema, "address", addresses) == dict(zip(addresses, schemas, strict=True))


def test_values_are_those_that_sqlalchemy_writes(catalogue: Catalogue) -> None:
    run: dict[str, Any] = {"source": "python", "dag_id": "d", "state": "running", "started_at": 1, "conf": None}
    metadata = {"a": [1, 2.5, None, True], "ü": {"b": "\"'%s :x ?"}}
    with catalogue.write() as connection:
        connection.execute(sa.insert(fit_facts).values(address=b"1", **HEAD))
        insert_ignore(connection, fit_facts, [{"address": b"2", **HEAD}])
        connection.execute(sa.insert(experiment_run).values(run_id="1", metadata=metadata, **run))
        insert_new(connection, experiment_run, {"run_id": "2", "metadata": metadata, **run})
    for table, differing in ((fit_facts, {"id", "address"}), (experiment_run, {"id", "run_id"})):
        one, other = ({name: row[name] for name in row.keys() - differing} for row in rows(catalogue, table))
        assert one == other
    as_text = sa.select(sa.cast(experiment_run.c.conf, sa.Text), sa.cast(experiment_run.c.metadata, sa.Text))
    with catalogue.read() as connection:  # what is stored, too: JSON's null is not SQL's
        assert len({tuple(row) for row in connection.execute(as_text)}) == 1


def test_a_row_is_changed_alone(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        key = {"source": "python", "dag_id": "d", "state": "running"}
        ids = insert_returning_ids(connection, experiment_run, [{**key, "run_id": run} for run in "ab"])
        update_row(connection, experiment_run, ids[1], {"state": "failed", "error": "no", "metadata": {"a": 1}})
    found = [(row["state"], row["error"], row["metadata"]) for row in rows(catalogue, experiment_run)]
    assert found == [("running", None, None), ("failed", "no", {"a": 1})]


def test_the_largest_number(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        (owner,) = insert_returning_ids(connection, project, [{"name": "bank", "created_at": 1.0}])
        assert find_largest(connection, model, "id", {"project_id": owner}) == 0
        models = [{"project_id": owner, "name": name, "created_at": 1.0} for name in "ab"]
        ids = insert_returning_ids(connection, model, models)
        assert find_largest(connection, model, "id", {"project_id": owner}) == max(ids)


def test_a_refused_row_takes_the_transaction_back(catalogue: Catalogue) -> None:
    def lack_a_value() -> None:
        with catalogue.write() as connection:
            insert_ignore(connection, value_name, [{"name": "a"}])
            insert_ignore(connection, value_name, [{"name": None}])

    def give_a_name_twice() -> None:
        with catalogue.write() as connection:
            insert_returning_ids(connection, value_name, [{"name": "a"}, {"name": "a"}])

    for action in (lack_a_value, give_a_name_twice):
        with pytest.raises(CatalogueError, match="refused a statement"):
            action()
        assert rows(catalogue, value_name) == []


def test_a_server_that_goes_away(postgres_url: str) -> None:
    catalogue = Catalogue(postgres_url)
    ensure_schema(catalogue)

    def lose_the_connection() -> None:
        with catalogue.write() as connection:
            with catalogue.write() as other:
                process = connection.scalar(sa.select(sa.func.pg_backend_pid()))
                other.execute(sa.select(sa.func.pg_terminate_backend(process, 10_000)))
            insert_ignore(connection, value_name, [{"name": "a"}])

    with pytest.raises(CatalogueUnavailableError, match="cannot be used"):
        lose_the_connection()
    with catalogue.write() as connection:
        insert_ignore(connection, value_name, [{"name": "b"}])
    assert [row["name"] for row in rows(catalogue, value_name)] == ["b"]
    catalogue.close()
