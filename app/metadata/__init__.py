"""The vocabulary in which everything else is declared. Imports nothing of the other layers."""
