"""Stamping engine: a template is laid out once, pages are stamped in constant memory.

It knows neither database nor Flask. See docs/documents.md.
"""
