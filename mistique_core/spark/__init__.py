"""Tables and pipelines of Spark: executors write the row blocks themselves; needs the extra ``spark`` and Java."""
