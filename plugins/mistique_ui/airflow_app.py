"""The application as Airflow's API server runs it: its login, its roles, its connection, its run states."""

from __future__ import annotations

from fastapi import FastAPI

from mistique_ui.access import AirflowAccess
from mistique_ui.app import make_app
from mistique_ui.connection import StoreConnection


def build() -> FastAPI:
    """Return the application of this process."""
    from operators.reconcile import reconcile_from_database

    store = StoreConnection()

    def reconcile() -> None:
        reconcile_from_database(store.catalogue())

    return make_app(
        store.catalogue, store=store.store, location=store.location, access=AirflowAccess(), before_read=reconcile
    )
