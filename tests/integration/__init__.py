"""Tests with a running Airflow; a package, so that pytest stops it after the last of them."""
