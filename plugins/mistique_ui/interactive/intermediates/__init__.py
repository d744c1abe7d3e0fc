"""Looking at stored values: tables, columns, layers and images."""
