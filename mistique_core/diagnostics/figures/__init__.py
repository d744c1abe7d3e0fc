"""One figure a module, named as its technique: ``draw(result)`` returns a Plotly figure."""
