"""Small documents, made on the spot."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence

import docx
import openpyxl
from PIL import Image, ImageDraw, ImageFont

Rect = tuple[int, int, int, int]


def pdf(pages: Sequence[str], *, extra_page: str = "", trailer: str = "", objects: Sequence[bytes] = ()) -> bytes:
    """Build a PDF of one content stream a page; `objects` continue the numbering after the font (3)."""
    first_page = 4 + len(objects)
    kids = " ".join(f"{first_page + 2 * index} 0 R" for index in range(len(pages)))
    bodies: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % trailer.encode(),
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        *objects,
    ]
    for index, content in enumerate(pages):
        stream = content.encode("latin-1")
        bodies += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {first_page + 2 * index + 1} 0 R "
            f"/Resources << /Font << /F1 3 0 R >> >> {extra_page} >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        ]
    return _numbered(bodies)


def text_at(x: int, y: int, text: str) -> str:
    """Write a text at a place of a page, counted from its lower left corner."""
    return f"BT /F1 12 Tf {x} {y} Td ({text}) Tj ET\n"


def _numbered(bodies: Sequence[bytes]) -> bytes:
    file = io.BytesIO(b"%PDF-1.7\n")
    file.seek(0, io.SEEK_END)
    offsets: list[int] = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1))
    for offset in offsets:
        file.write(b"%010d 00000 n \n" % offset)
    file.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start))
    return file.getvalue()


def picture(*lines: str, size: tuple[int, int] = (900, 300)) -> Image.Image:
    """Paint lines of text, black on white."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((30, 30 + 80 * number), line, fill="black", font=ImageFont.load_default(48))
    return image


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Write an image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def png_of_zeros(width: int, height: int) -> bytes:
    """Build a valid one-bit PNG that is small however many pixels it has."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def word() -> bytes:
    """Build a Word document with a header, two paragraphs and a table."""
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Muster GmbH"
    document.add_paragraph("Invoice 4711")
    table = document.add_table(rows=2, cols=3)
    for cell, text in zip(table.rows[0].cells, ("Total:", "9.00", "EUR"), strict=True):
        cell.text = text
    merged = table.rows[1].cells[0].merge(table.rows[1].cells[1])
    merged.text = "spans two"
    table.rows[1].cells[2].text = "end"
    document.add_paragraph("Thank you\u00a0all")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def workbook(sheets: Mapping[str, Mapping[str, object]]) -> bytes:
    """Build an XLSX file from values by sheet and cell."""
    book = openpyxl.Workbook()
    del book["Sheet"]
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        for place, value in cells.items():
            sheet[place] = value
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def with_part(container: bytes, name: str, content: bytes) -> bytes:
    """Replace or add one part of a zip container."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(container)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member.filename, old.read(member))
        new.writestr(name, content)
    return file.getvalue()
