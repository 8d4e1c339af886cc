"""What makes a PDF an archival one, PDF/A-2b (ISO 19005-2): its claim, and what its colours mean.

The claim is XMP metadata (6.6.4); the output intent (6.2.3) says that RGB is sRGB. The profile is
made by LittleCMS, with the time of its making, which would make each file another, set to zero.
"""

from __future__ import annotations

from functools import cache

from storage.exports.markup import text
from storage.exports.pdf_file import PdfFile, Stream

_DATE = slice(24, 36)
_HASH = slice(84, 100)
"""Of an ICC profile (ICC.1:2010, 7.2): when it was made, and its MD5, which may be zero."""
_INTENT = "/Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB IEC61966-2.1)/Info(sRGB)"


def put_metadata(file: PdfFile, title: str) -> str:
    """Write the objects; returns the entries of the catalog that name them."""
    profile, intent, metadata = (file.reserve() for _ in range(3))
    file.put(profile, "/N 3", srgb())
    file.put(intent, intent_dictionary(profile))
    data = xmp(title)
    file.put(metadata, "/Type/Metadata/Subtype/XML", Stream(len(data), (data,)))
    return f"/OutputIntents[{intent} 0 R]/Metadata {metadata} 0 R"


def intent_dictionary(profile: int) -> str:
    """The output intent, between the double angle brackets; `profile` is an object's number."""
    return f"{_INTENT}/DestOutputProfile {profile} 0 R"


@cache
def srgb() -> bytes:
    """The ICC profile of sRGB."""
    from PIL import ImageCms

    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for part in (_DATE, _HASH):
        made[part] = bytes(len(made[part]))
    return bytes(made)


def xmp(title: str, more: str = "") -> bytes:
    """Metadata that claims PDF/A-2b; not compressed, so that everybody can read it.

    `more` are other descriptions (rdf:Description), to be kept.
    """
    named = _TITLE.format(text(title)) if title else ""
    return _XMP.format(named=named, more=more).encode()


_TITLE = '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:title>\n'
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" \
xmlns:dc="http://purl.org/dc/elements/1.1/">
<pdfaid:part>2</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance>
{named}</rdf:Description>
{more}</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
