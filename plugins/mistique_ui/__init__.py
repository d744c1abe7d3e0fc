"""MISTIQUE's pages: a small, read-only web application that Airflow's API server mounts."""
