"""The pages without Airflow: ``mistique ui``."""
