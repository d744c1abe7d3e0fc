"""Pages of ModelDB: projects, one project, its models, one model, comparison."""
