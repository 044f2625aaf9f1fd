"""Arrangement (编排): the solver, the seats, and the ticket numbers that follow from them."""
