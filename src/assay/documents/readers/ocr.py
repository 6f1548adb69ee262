"""How OCR reads one page: which engine, at what size, and that it never fetches a model."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol, cast

from assay.documents.characters import clean
from assay.documents.page_text import in_reading_order, page_text
from assay.documents.protocol import PageReading, Request
from assay.documents.readers import image, pdf
from assay.documents.readers.figures import PageFigures
from assay.documents.rows import Box, Fragment, Word, joined_rows, words_json

# Measured on 24 receipts and renders of invoices: 1200 finds one key of 72 fewer, 2000 none more
# and needs half a gigabyte more.
_LONGEST_SIDE: Final = 1600
_MODELS: Final = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
}

Point = tuple[float, float]


class _Output(Protocol):
    boxes: Sequence[Sequence[Point]] | None
    txts: Sequence[str] | None
    scores: Sequence[float] | None
    word_results: Sequence[Sequence[tuple[str, float, Sequence[Point] | None]]]


class _Engine(Protocol):
    def __call__(self, pixels: object, *, return_word_box: bool) -> _Output: ...


class Recognizer:
    """One loaded engine; loading takes seconds and half a gigabyte, so a process has one."""

    def __init__(self, threads: int) -> None:
        import cv2  # noqa: PLC0415 - the extra may be missing, and only an OCR child needs it
        from rapidocr import RapidOCR  # noqa: PLC0415

        # Without a limit of its own OpenCV starts one more pool of threads beside the engine's.
        cv2.setNumThreads(1)
        folder = Path(cast("str", sys.modules["rapidocr"].__file__)).parent / "models"
        # Paths to the models that the wheel carries: what has a path is never downloaded.
        models = {f"{part}.model_path": str(folder / name) for part, name in _MODELS.items()}
        settings = {
            "Global.max_side_len": _LONGEST_SIDE,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        self._engine = cast("_Engine", RapidOCR(params={**settings, **models}))

    def read_image(self, path: Path, index: int, request: Request) -> PageReading:
        """Read one frame of an image; boxes are in its pixels."""
        picture, (width, height) = image.load_frame(path, index, _LONGEST_SIDE, request.limits)
        return self._read(picture, index, (width, height), picture.width / width, request, PageFigures())

    def read_pdf(self, path: Path, index: int, request: Request) -> PageReading:
        """Render one page of a PDF and read it; boxes are in points."""
        with pdf.opened(path) as document, pdf.opened_page(document, index) as page:
            size = page.get_size()
            scale = _LONGEST_SIDE / max(size)
            figures = pdf.page_figures(page, request.limits) if request.figures else PageFigures()
            bitmap = page.render(scale=scale)
            return self._read(bitmap.to_pil().convert("RGB"), index, size, scale, request, figures)

    def _read(
        self,
        picture: object,
        index: int,
        size: tuple[float, float],
        scale: float,
        request: Request,
        figures: PageFigures,
    ) -> PageReading:
        output = self._recognize(picture)
        texts, boxes, scores = output.txts or (), output.boxes, output.scores or ()
        if boxes is None or not scores:
            texts, boxes = (), ()
        fragments = [Fragment(clean(text), _box(corners, scale)) for text, corners in zip(texts, boxes, strict=True)]
        words = _words(output, fragments, scale) if fragments else []
        lines = joined_rows(fragments)
        ordered = in_reading_order(lines, figures.boxes)
        return PageReading(
            index,
            page_text(lines, words, request.form, ordered),
            confidence=round(sum(map(float, scores)) / len(scores), 4) if fragments else None,
            words=words_json(index, *size, words),
            figures=pdf.as_numbers(ordered),
            figures_left_out=figures.left_out,
        )

    def _recognize(self, picture: object) -> _Output:
        try:
            return self._engine(picture, return_word_box=True)
        except IndexError:
            # rapidocr 3.10 counts past the end where a line has no word that it can place.
            return self._engine(picture, return_word_box=False)


def _words(output: _Output, fragments: Sequence[Fragment], scale: float) -> list[Word]:
    parts = [part for line in output.word_results for part in line]
    words = [Word(clean(text), _box(corners, scale), float(score)) for text, score, corners in parts if corners]
    if words:
        return words
    # The engine could not place the words of these lines, so the lines stand for them.
    scores = output.scores or ()
    return [Word(line.text, line.box, float(score)) for line, score in zip(fragments, scores, strict=True)]


def _box(corners: Sequence[Point], scale: float) -> Box:
    across, down = [float(x) / scale for x, _ in corners], [float(y) / scale for _, y in corners]
    return Box(min(across), min(down), max(across), max(down))
