"""Numbers as text, in a fraction of the time that formatting takes."""

from typing import Final

_MOST: Final = 100
_TIE: Final = 1e-6
"""Nearer than this to the middle between two texts, the rounding is left to Python; the error of
one multiplication is a millionth of that."""

_texts: Final[list[str]] = [""] * (100 * _MOST + 1)
"""Those there has been a use for."""


def two_places(value: float) -> str:
    """``f"{value:.2f}"``: ``value`` with two decimals; the quicker way is for 0 to 100."""
    if 0 < value <= _MOST:  # 0 may be -0
        hundredths = value * 100
        nearest = int(hundredths + 0.5)
        off = hundredths - nearest
        if -0.5 + _TIE < off < 0.5 - _TIE:
            return _texts[nearest] or _remembered(nearest)
    return f"{value:.2f}"


def _remembered(hundredths: int) -> str:
    text = f"{hundredths // 100}.{hundredths % 100:02d}"
    _texts[hundredths] = text
    return text
