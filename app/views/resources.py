"""Registers the pages that are made from declarations: one view per resource, grid and operation,
and REST where it is asked for; then the views of imports, documents, statistics and the matrix."""

from __future__ import annotations

from typing import Any

from app.metadata import registry
from app.metadata.declarations import Grid, Operation, Resource, Statistic
from app.views import (
    api_description,
    audit,
    default_settings,
    documents,
    imports,
    jobs,
    matrix,
    notices,
    organisation_forms,
    outbox,
    statistics,
)
from app.views.engine.grid import grid_view
from app.views.engine.operation import operation_view
from app.views.engine.operation_rest import operation_rest
from app.views.engine.resource import resource_view
from app.views.engine.rest import rest_view
from app.views.engine.rest_reading import JobRest, statistic_rest

OTHER_ENGINES = (imports, documents, statistics, jobs, matrix, notices, api_description)
#: modules whose classes make the pages of some resources (`pages_of`), once they are imported
SPECIAL = (audit, default_settings, notices, organisation_forms, outbox)


def register(builder: Any) -> None:
    """Register every declared page. Endpoints are `<declaration>.index`, `.show`, `.edit` …"""
    for resource in registry.declared(Resource):
        builder.add_view_no_menu(resource_view(resource), endpoint=resource.name)
        if resource.api:
            builder.add_view_no_menu(rest_view(resource), endpoint=f"api_{resource.name}")
    for grid in registry.declared(Grid):
        builder.add_view_no_menu(grid_view(grid), endpoint=grid.name)
    for operation in registry.declared(Operation):
        builder.add_view_no_menu(operation_view(operation), endpoint=operation.name)
        builder.add_view_no_menu(operation_rest(operation), endpoint=f"api_{operation.name}")
    for statistic in registry.declared(Statistic):
        builder.add_view_no_menu(statistic_rest(statistic), endpoint=f"api_{statistic.name}")
    builder.add_view_no_menu(JobRest, endpoint="api_job")
    for engine in OTHER_ENGINES:
        engine.register(builder)
