"""Imports, one module per area."""
