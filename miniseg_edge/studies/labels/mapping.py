"""The class of each value of a label map: every data set numbers its lesions differently."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.architecture import MAX_CLASSES
from miniseg_edge.errors import InputError, UsageError
from miniseg_edge.parity.metrics import IGNORED_LABEL
from miniseg_edge.slices.preprocessing import ByteArray

IGNORE = "ignore"


@dataclass(frozen=True)
class LabelMapping:
    """Classes by stored value.

    Attributes:
        named: (value, class) of the named values; all others are background. If empty, every value above 0 is class 1,
            lesion.
    """

    named: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_words(cls, words: list[str]) -> "LabelMapping":
        """From "VALUE=CLASS", CLASS being 0, 1, ... or "ignore". Raises: UsageError."""
        found: dict[int, int] = {}
        for word in words:
            value, _, class_ = word.partition("=")
            if not value.isdecimal() or not (class_.isdecimal() or class_ == IGNORE) or int(value) in found:
                raise UsageError(
                    "a label is invalid", expected="VALUE=CLASS or VALUE=ignore, each value once", got=word
                )
            found[int(value)] = IGNORED_LABEL if class_ == IGNORE else int(class_)
        mapping = cls(tuple(found.items()))
        classes = {class_ for class_ in found.values() if class_ != IGNORED_LABEL} | {0}
        if found and (len(classes) < 2 or classes != set(range(mapping.classes)) or mapping.classes > MAX_CLASSES):
            raise UsageError(
                "the classes are invalid", expected="0, 1, ... without gaps, at least 1", got=str(sorted(classes))
            )
        return mapping

    @property
    def classes(self) -> int:
        """How many, background included."""
        return max((class_ for _, class_ in self.named if class_ != IGNORED_LABEL), default=1) + 1

    def applied(self, values: npt.NDArray[np.generic], name: str) -> ByteArray:
        """Stored values (H, W), of any real dtype -> classes (H, W) uint8; 255 for ignored pixels.

        Raises:
            InputError: a value is not an integer; `name` is for the message.
        """
        whole = np.rint(values).astype(np.int64)
        if values.dtype.kind == "f" and not np.allclose(values, whole, atol=1e-3):
            raise InputError(f"{name} is not a label map", expected="whole numbers", got="fractions")
        if not self.named:
            return np.asarray(whole > 0, dtype=np.uint8)
        label = np.zeros(whole.shape, np.uint8)
        for value, class_ in self.named:
            label[whole == value] = class_
        return label
