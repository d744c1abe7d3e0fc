#!/bin/sh
# Run once by the postgres image, in an empty data folder: MISTIQUE's catalogue has its own database and role,
# so that it can be backed up, moved and granted apart from Airflow's metadata.
set -eu

psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set ON_ERROR_STOP=1 --set password="$MISTIQUE_DB_PASSWORD" <<'SQL'
CREATE ROLE mistique LOGIN PASSWORD :'password';
CREATE DATABASE mistique OWNER mistique;
SQL
