"""``mistique demo``: a real Airflow on this machine, the example pipelines, and answers about them."""
