"""Text of strategies, made fit for records, logs and the database: it may hold anything."""

from algo_panda.domain.containment import name_of, text_of

LONGEST = 500
"""Characters; a reason is a sentence, whatever an exception carries."""


def shown(text: object) -> str:
    """``text`` as it can be stored and shown: valid Unicode without NUL, cut where it is long."""
    plain = text_of(text)[: LONGEST + 1].encode("utf-8", "replace").decode().replace("\0", "?")
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}…"


def described(error: BaseException) -> str:
    """The kind of ``error``, and what it says."""
    return f"{name_of(error)}: {shown(error)}"
