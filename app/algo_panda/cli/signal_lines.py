"""One line of text for people about each kind of record."""

from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import plain
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.timestamps import iso_utc
from algo_panda.domain.trading import Activation, ControlEvent, ExecutionReport, Order, Rejection

Record = (
    MarketTick | TradingSignal | Order | Rejection | ExecutionReport | Activation | ControlEvent
)


def line(record: Record) -> str:
    """``record`` in one line; JSON output is for programs."""
    return _printable(" ".join(part for part in _parts(record) if part))


def _parts(record: Record) -> tuple[str, ...]:
    match record:
        case MarketTick():
            return (
                iso_utc(record.event_time),
                str(record.instrument_token),
                plain(record.last_price),
                f"quantity {record.last_traded_quantity}",
            )
        case TradingSignal():
            return (
                *_origin(record),
                f"{record.signal_type} {record.quantity} at {plain(record.price)}",
                f"confidence {record.confidence:.2f}",
                f"for {', '.join(record.brokers) or 'readers only'}",
                record.reasoning or "",
            )
        case Order():
            return (
                *_origin(record),
                f"{record.side} {record.quantity} at market",
                f"(tick {plain(record.reference_price)}) {_where(record)}",
            )
        case Rejection():
            return (*_origin(record), f"refused by {record.stage}: {record.code}", record.reason)
        case ExecutionReport():
            return (*_origin(record), *_execution(record))
        case Activation():
            return (
                f"{record.strategy_type} {record.strategy_id} version {record.strategy_version}",
                "from" if record.active else "ends before",
                f"partition {record.tick_partition} offset {record.tick_offset}",
                record.reason or "",
            )
        case ControlEvent():
            return (
                iso_utc(record.issued_at),
                "all accounts" if record.account == "*" else record.account,
                f"{record.state} by {record.issued_by}: {record.reason}",
            )


def _origin(record: TradingSignal | Order | Rejection | ExecutionReport) -> tuple[str, ...]:
    return (
        iso_utc(record.event_time),
        str(record.instrument_token),
        f"{record.strategy_type} {record.strategy_id}",
    )


def _execution(report: ExecutionReport) -> tuple[str, ...]:
    fill = ""
    if report.last_price is not None:
        fill = f"filled {report.last_quantity} at {plain(report.last_price)}"
    return (
        f"{report.status} {report.side} {report.cumulative_quantity}/{report.quantity}",
        fill,
        _where(report) + (f": {report.reason}" if report.reason else ""),
    )


def _where(record: Order | ExecutionReport) -> str:
    return f"on account {record.account} at {record.broker}, order {record.client_order_id}"


def _printable(text: str) -> str:
    """Without control characters: a reason must not steer the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)
