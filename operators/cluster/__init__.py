"""``mistique cluster``: on one machine and without Docker, the processes that ``docker-compose.yaml`` describes."""
