"""The engine that turns declarations of resources and operations into pages and REST.

`lists` and `forms` make the contexts of the templates; `resource`, `operation` and `rest` are the
views. No view keeps anything of a request: what a request needs is a local value.
"""
