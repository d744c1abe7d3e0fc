"""One figure a part; imported when a figure is drawn."""
