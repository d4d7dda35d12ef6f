r"""r"Makes untrusted text safe to show: file names, header values, and words from bundles or libraries.

A terminal obeys control characters: they move the cursor, set titles, and start lines that look like ours.
Bidirectional controls and invisible characters change how a line reads. Lone surrogates, by which Python represents
invalid bytes, cannot be written at all. All of them become escapes such as `\x1b`.
"""

import html
import unicodedata

_ESCAPED = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")
"""Unicode categories: controls, formats, surrogates, unassigned, and separators of lines and paragraphs."""


def printable(text: str) -> str:
    """One line that can be shown anywhere: unreadable characters become ASCII escapes.

    Escaping twice changes nothing. Backslashes are not escaped, so an escape may also come from the text itself.
    """
    if text.isprintable():
        return text
    return "".join(_escape(letter) if unicodedata.category(letter) in _ESCAPED else letter for letter in text)


def in_html(text: str) -> str:
    """The same as text of a page, or as the value of an attribute in quotes."""
    return html.escape(printable(text))


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
