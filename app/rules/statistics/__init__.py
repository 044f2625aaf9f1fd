"""Statistics (architecture §1): one module per statistic, and the engine that computes them."""
