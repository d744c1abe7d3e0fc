"""What techniques compute: functions over arrays and columns, which know of no store."""
