"""The project's own lint rules: what must not be written here, and why (architecture §4.2)."""
