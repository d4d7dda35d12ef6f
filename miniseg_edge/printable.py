r"""Text that is not ours, made safe to show: names of files, values of headers, words of a bundle or a library.

A terminal obeys control characters: they move the cursor, set titles, and start lines that look like ours. Controls
for bidirectional text and invisible characters make a line read otherwise than it is. Lone surrogates, which Python has
in the place of bytes that are not text, cannot be written at all. All of them become escapes such as `\x1b`.
"""

import html
import unicodedata

_ESCAPED = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")
"""Categories of Unicode: controls, formats, surrogates, unassigned, and separators of lines and paragraphs."""


def printable(text: str) -> str:
    """One line that can be shown anywhere: every character that is not for reading becomes an escape in ASCII.

    Escaping twice changes nothing more. A backslash is left as it is, so an escape may also have stood in the text.
    """
    if text.isprintable():
        return text
    return "".join(_escape(letter) if unicodedata.category(letter) in _ESCAPED else letter for letter in text)


def in_html(text: str) -> str:
    """The same as text of a page, or as the value of an attribute in quotes."""
    return html.escape(printable(text))


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
