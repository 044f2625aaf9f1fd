"""The sheet of paper and where templates are stamped on it."""

from __future__ import annotations

from dataclasses import dataclass

MILLIMETRE = 72 / 25.4
A4 = (210 * MILLIMETRE, 297 * MILLIMETRE)


@dataclass(frozen=True)
class Sheet:
    """Size in points, and the lower left corner of each cell in the order they are filled."""

    width: float
    height: float
    cells: tuple[tuple[float, float], ...]


def grid(columns: int, rows: int, cell: tuple[float, float]) -> Sheet:
    """Place `columns` by `rows` cells of a size in points in the middle of an A4 page.

    Cells touch, so that one cut parts two; they are filled line by line from the upper left.
    """
    width, height = A4
    cell_width, cell_height = cell
    left = (width - columns * cell_width) / 2
    top = height - (height - rows * cell_height) / 2
    return Sheet(
        width,
        height,
        tuple(
            (left + column * cell_width, top - (row + 1) * cell_height)
            for row in range(rows)
            for column in range(columns)
        ),
    )


def single(size: tuple[float, float]) -> Sheet:
    """Return a sheet that is one cell of the given size in points."""
    return Sheet(*size, ((0.0, 0.0),))
