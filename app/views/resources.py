"""Registers the pages that are made from declarations: one view per resource, grid and operation,
and REST where it is asked for; then the views of imports, documents, statistics and the matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.metadata import registry
from app.metadata.declarations import (
    Declaration,
    Document,
    Grid,
    Import,
    Operation,
    Resource,
    Statistic,
)
from app.views import (
    api_description,
    arrangement,
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
from app.views.engine.document_rest import DocumentFileRest, DocumentKinds, document_rest
from app.views.engine.grid import grid_view
from app.views.engine.grid_rest import GridKinds, grid_rest
from app.views.engine.import_rest import ImportKinds, import_rest
from app.views.engine.job_rest import JobRest
from app.views.engine.operation import operation_view
from app.views.engine.operation_rest import operation_rest
from app.views.engine.resource import resource_view
from app.views.engine.rest import rest_view
from app.views.engine.statistic_rest import statistic_rest

OTHER_ENGINES = (imports, documents, statistics, jobs, matrix, notices, api_description)
#: modules whose classes make the pages of some resources (`pages_of`), once they are imported
SPECIAL = (arrangement, audit, default_settings, notices, organisation_forms, outbox)
#: what makes the REST of the declarations of a kind
_REST: tuple[tuple[type[Declaration], Callable[[Any], type]], ...] = (
    (Operation, operation_rest),
    (Statistic, statistic_rest),
    (Import, import_rest),
    (Document, document_rest),
    (Grid, grid_rest),
)
#: calls of REST that belong to no declaration alone
_OTHER_CALLS = {
    "api_job": JobRest,
    "api_imports": ImportKinds,
    "api_documents": DocumentKinds,
    "api_document_file": DocumentFileRest,
    "api_grids": GridKinds,
}


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
    for kind, rest in _REST:
        for declaration in registry.declared(kind):
            builder.add_view_no_menu(rest(declaration), endpoint=f"api_{declaration.name}")
    for endpoint, view in _OTHER_CALLS.items():
        builder.add_view_no_menu(view, endpoint=endpoint)
    for engine in OTHER_ENGINES:
        engine.register(builder)
