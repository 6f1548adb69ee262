"""What counts as a figure of a PDF page: an embedded image, or several that touch, neither tiny nor the whole page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol, cast

import pypdfium2
from pypdfium2 import raw

from assay.documents.rows import Box

SHORTEST_SIDE: Final = 36.0
"""Half an inch, in points."""
_WHOLE_PAGE: Final = 0.8
_MOST_OBJECTS: Final = 50_000
_MOST_ON_A_PAGE: Final = 20
_CELL: Final = 4.0
_MOST_CELLS: Final = 512
_FORM_DEPTH: Final = 4

Bounds = tuple[float, float, float, float]


class Matrix(Protocol):
    """The part of pypdfium2's matrix that is used here."""

    def on_rect(self, left: float, bottom: float, right: float, top: float) -> Bounds:
        """Return the rectangle around the transformed one."""
        ...


class PlacedObject(Protocol):
    """The part of pypdfium2's page object that is used here."""

    @property
    def container(self) -> "PlacedObject | None":
        """The form it is part of."""
        ...

    def get_bounds(self) -> Bounds:
        """Return left, bottom, right and top in the space of its container."""
        ...

    def get_matrix(self) -> Matrix:
        """Return what leads from its own space to that of its container."""
        ...


class Image(PlacedObject, Protocol):
    """The part of pypdfium2's image object that is used here."""

    def get_px_size(self) -> tuple[int, int]:
        """Return width and height in pixels, as the image itself says."""
        ...


class PageWithImages(Protocol):
    """The part of pypdfium2's page that is used here."""

    def get_size(self) -> tuple[float, float]:
        """Return width and height in points."""
        ...

    def get_objects(self, *, filter: Sequence[int] | None, max_depth: int) -> Iterator[PlacedObject]:  # noqa: A002
        """Go through the page's objects."""
        ...


@dataclass(frozen=True, slots=True)
class PageFigures:
    """The largest figures of a page, and how many smaller ones there are beside them."""

    boxes: Sequence[Box] = ()
    left_out: int = 0


def figures_of(page: PageWithImages, shown: Callable[[Box], Box], *, most_pixels: int) -> PageFigures:
    """Find the figures of a page, of very many objects among the first; `shown` turns page space into what is seen.

    An image of more than `most_pixels` is left out, since nothing can paint it.
    """
    width, height = page.get_size()
    grid = _Grid(width, height)
    too_large = 0
    images = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=_FORM_DEPTH)
    for image in islice(cast("Iterator[Image]", images), _MOST_OBJECTS):
        try:
            across, down = image.get_px_size()
            box = shown(_box_on_page(image))
        except pypdfium2.PdfiumError:
            # A damaged image; what else stands on the page is not the worse for it.
            continue
        if across * down > most_pixels:
            too_large += 1
            continue
        # A scan, or what a page is printed on: it would make one figure of all that lies on it.
        if not _covers(box, width, height):
            grid.cover(box)
    found = [box for box in grid.regions() if _is_large(box) and not _covers(box, width, height)]
    found.sort(key=_area, reverse=True)
    return PageFigures(found[:_MOST_ON_A_PAGE], max(0, len(found) - _MOST_ON_A_PAGE) + too_large)


def _box_on_page(image: PlacedObject) -> Box:
    bounds, container = image.get_bounds(), image.container
    while container is not None:
        bounds = container.get_matrix().on_rect(*bounds)
        container = container.container
    left, bottom, right, top = bounds
    return Box(left, bottom, right, top)


def _covers(box: Box, width: float, height: float) -> bool:
    across = min(box.x1, width) - max(box.x0, 0)
    down = min(box.y1, height) - max(box.y0, 0)
    return across > 0 and down > 0 and across * down > _WHOLE_PAGE * width * height


def _is_large(box: Box) -> bool:
    return box.x1 - box.x0 >= SHORTEST_SIDE and box.y1 - box.y0 >= SHORTEST_SIDE


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


@dataclass(slots=True)
class _Region:
    box: Box
    merged_into: "_Region | None" = None

    def root(self) -> "_Region":
        region = self
        while region.merged_into is not None:
            region = region.merged_into
        return region


@dataclass(slots=True)
class _Grid:
    """Which cells of a page images cover, a row being one number: that costs the same for ten thousand images."""

    width: float
    height: float
    rows: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def cell(self) -> float:
        return max(_CELL, self.width / _MOST_CELLS, self.height / _MOST_CELLS)

    def cover(self, box: Box) -> None:
        x0, x1 = max(box.x0, 0), min(box.x1, self.width)
        y0, y1 = max(box.y0, 0), min(box.y1, self.height)
        if x0 >= x1 or y0 >= y1:
            return
        first, last = int(x0 / self.cell), int(x1 / self.cell)
        cells = ((1 << (last - first + 1)) - 1) << first
        for row in range(int(y0 / self.cell), int(y1 / self.cell) + 1):
            self.rows[row] = self.rows.get(row, 0) | cells

    def regions(self) -> list[Box]:
        """Return the box around each group of cells that touch."""
        regions: list[_Region] = []
        above: list[tuple[int, int, _Region]] = []
        for row in range(max(self.rows, default=-1) + 1):
            here: list[tuple[int, int, _Region]] = []
            for first, last in _runs(self.rows.get(row, 0)):
                region = _Region(self._box(first, last, row))
                regions.append(region)
                here.append((first, last, region))
                for other_first, other_last, other in above:
                    if other_first <= last and first <= other_last and other.root() is not region:
                        root = other.root()
                        region.box = region.box.around(root.box)
                        root.merged_into = region
            above = here
        return [region.box for region in regions if region.merged_into is None]

    def _box(self, first: int, last: int, row: int) -> Box:
        right, bottom = min((last + 1) * self.cell, self.width), min((row + 1) * self.cell, self.height)
        return Box(first * self.cell, row * self.cell, right, bottom)


def _runs(cells: int) -> Iterator[tuple[int, int]]:
    """Yield first and last of each row of set bits."""
    offset = 0
    while cells:
        start = (cells & -cells).bit_length() - 1
        cells >>= start
        length = (~cells & (cells + 1)).bit_length() - 1
        yield offset + start, offset + start + length - 1
        cells >>= length
        offset += start + length
