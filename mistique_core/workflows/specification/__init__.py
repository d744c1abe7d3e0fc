"""Workflows specified in YAML (thesis 5.3.2)."""

from mistique_core.workflows.specification.load import load_workflow
from mistique_core.workflows.specification.materialization import Materialization
from mistique_core.workflows.specification.problem import Problem, WorkflowSpecificationError
from mistique_core.workflows.specification.reference import StageReference
from mistique_core.workflows.specification.search_space import SearchSpace
from mistique_core.workflows.specification.search_spec import SearchSpec
from mistique_core.workflows.specification.searched_values import SearchedValues
from mistique_core.workflows.specification.spec import StageSpec, WorkflowSpec, resolve_stage

__all__ = [
    "Materialization",
    "Problem",
    "SearchSpace",
    "SearchSpec",
    "SearchedValues",
    "StageReference",
    "StageSpec",
    "WorkflowSpec",
    "WorkflowSpecificationError",
    "load_workflow",
    "resolve_stage",
]
