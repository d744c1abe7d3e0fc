"""Files that other programs read: Croissant with Parquet, and TensorBoard."""
