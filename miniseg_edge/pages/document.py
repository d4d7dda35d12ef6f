"""A page as one self-contained file: it opens without a network, has no script, and prints on A4.

Its policy forbids everything except its own style and pictures.
"""

from collections.abc import Sequence
from importlib.resources import files

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, parts: Sequence[str], footer: str) -> str:
    """The page. All arguments are HTML already; empty parts are left out."""
    style = files("miniseg_edge.pages").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>{footer}</footer>\n</body>\n</html>\n"
    )
