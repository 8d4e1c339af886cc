"""A page with known text that `pagemill doctor` draws itself and reads through every stage."""

from __future__ import annotations

from collections.abc import Sequence

LINES = (
    "Pagemill reads this page to test itself.",
    "The quick brown fox jumps over the lazy dog.",
    "Invoice 20481 of 17 May: total 1,234.56 EUR",
)
"""What stands on the page, from top to bottom."""
_WIDTH, _HEIGHT = 420, 160
_LEFT, _TOP, _LEADING, _SIZE = 36, 120, 32, 16


def draw_pdf(lines: Sequence[str] = LINES) -> bytes:
    """Write a PDF of one small page with the lines, ASCII only, in Helvetica at 16 points.

    The font is one of those every PDF reader brings along (PDF 32000-1:2008, 9.6.2.2).
    """
    content = "\n".join(["BT", f"/F1 {_SIZE} Tf", f"{_LEADING} TL", f"{_LEFT} {_TOP} Td"])
    content += "".join(f"\n({_escaped(line)}) Tj T*" for line in lines) + "\nET"
    bodies = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_WIDTH} {_HEIGHT}] /Contents 5 0 R"
        " /Resources << /Font << /F1 4 0 R >> >> >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
    )
    return _with_index([f"{n} 0 obj\n{body}\nendobj\n" for n, body in enumerate(bodies, 1)])


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _with_index(objects: Sequence[str]) -> bytes:
    """Join the objects and say where each begins."""
    text = "%PDF-1.4\n"
    offsets = []
    for each in objects:
        offsets.append(len(text))
        text += each
    index = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    text += (
        f"xref\n0 {size}\n0000000000 65535 f \n{index}"
        f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(text)}\n%%EOF\n"
    )
    return text.encode("ascii")
