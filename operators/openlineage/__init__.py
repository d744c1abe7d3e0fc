"""What the tasks tell OpenLineage, where Airflow's provider for it is installed and switched on."""
