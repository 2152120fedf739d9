"""Text of strategies, made fit for records, logs and the database: it may hold anything."""

LONGEST = 500
"""Characters; a reason is a sentence, whatever an exception carries."""


def shown(text: object) -> str:
    """``text`` as it can be stored and shown: valid Unicode without NUL, cut where it is long."""
    try:
        plain = str(text)
    except Exception:  # noqa: BLE001 - a strategy's own class may do anything in there
        plain = f"(a {type(text).__name__} whose text cannot be had)"
    plain = plain[: LONGEST + 1].encode("utf-8", "replace").decode().replace("\0", "?")
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}…"


def described(error: BaseException) -> str:
    """The kind of ``error``, and what it says."""
    return f"{type(error).__name__}: {shown(error)}"
