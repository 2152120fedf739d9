"""Finds out why a Kafka address does not answer: librdkafka reports most causes alike.

An unknown authority and an expired certificate are one error to it, and a client without TLS at a
listener with TLS sees only that the broker hangs up.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.security import KafkaSecurity

_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 0.5
_PATIENCE_SECONDS = 6.0
_PROTOCOL = "PANDA_KAFKA_SECURITY_PROTOCOL"
_SASL_HANDSHAKE = 17
_ILLEGAL_SASL_STATE = 34
"""What a listener without logins answers to a handshake."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an address cannot be used."""

    address: str
    cause: str
    is_down: bool = False
    """Nothing answers there at all."""


def diagnose(connection: KafkaConnection) -> Problem | None:
    """Look for the cause at the bootstrap addresses; None if they seem to be in order."""

    def look() -> Problem | None:
        problems = [
            problem
            for address in connection.bootstrap_servers.split(",")
            if (problem := _problem(address.strip(), connection.security)) is not None
        ]
        return min(problems, key=lambda problem: problem.is_down, default=None)

    return _in_time(look)


def unreachable(addresses: Sequence[str]) -> Problem | None:
    """Check the addresses that brokers advertise.

    Returns:
        One whose name does not resolve, or is still not resolved after some seconds; or one of
        them, if none can be reached.
    """
    looking_at = list(addresses[:1])

    def unfinished() -> Problem:
        cause = f"no answer within {_PATIENCE_SECONDS:.0f} s"
        return Problem(looking_at[-1], cause, is_down=True)

    return _in_time(lambda: _unreachable(addresses, looking_at), unfinished)


def split(address: str) -> tuple[str, int]:
    """Take host and port out of host:port, [host]:port or protocol://host:port."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host:
        return port, 9092
    return host.removeprefix("[").removesuffix("]"), int(port) if port.isdigit() else 9092


def _in_time(
    look: Callable[[], Problem | None], unfinished: Callable[[], Problem | None] = lambda: None
) -> Problem | None:
    """Give up after some seconds: resolving a name has no time-out of its own."""
    found: list[Problem | None] = []

    def run() -> None:
        with suppress(Exception):  # then librdkafka's own report has to do
            found.append(look())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)
    if thread.is_alive():
        return unfinished()
    return found[0] if found else None


def _unreachable(addresses: Sequence[str], looking_at: list[str]) -> Problem | None:
    down: Problem | None = None
    is_reached = False
    for address in addresses:
        looking_at.append(address)
        try:
            socket.getaddrinfo(*split(address))
            if not is_reached:
                _connect(address).close()
                is_reached = True
        except socket.gaierror as error:
            return _unresolved(address, error)
        except OSError as error:
            down = Problem(address, _words(error), is_down=True)
    return None if is_reached else down


def _problem(address: str, security: KafkaSecurity | None) -> Problem | None:
    try:
        if security is not None and security.has_tls:
            cause = _with_tls(address, security)
        else:
            has_sasl = security is not None and security.has_sasl
            cause = _without_tls(address, has_sasl=has_sasl)
    except socket.gaierror as error:
        return _unresolved(address, error)
    except OSError as error:
        return Problem(address, _words(error), is_down=True)
    except (ValueError, OverflowError):  # such as port 99999
        return Problem(address, "invalid address; write host:port", is_down=True)
    return None if cause is None else Problem(address, cause)


def _unresolved(address: str, error: socket.gaierror) -> Problem:
    return Problem(address, f"the name does not resolve: {error.strerror}", is_down=True)


def _without_tls(address: str, *, has_sasl: bool) -> str | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: does it use TLS?
    with _connect(address) as plain:
        try:
            context.wrap_socket(plain).close()
        except (OSError, ValueError):
            pass
        else:
            return f"the listener expects TLS; set {_PROTOCOL} to SASL_SSL or SSL"
    with _connect(address) as again:
        return None if has_sasl else _demands_login(again, "SASL_PLAINTEXT")


def _with_tls(address: str, security: KafkaSecurity) -> str | None:
    host, _ = split(address)
    with _connect(address) as plain:
        try:
            secured = security.ssl_context().wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            return _verification(error)
        except (ssl.SSLError, ConnectionError) as error:
            if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
                return _alert(error)
            return (
                "the listener does not use TLS; check the port, or set"
                f" {_PROTOCOL} to SASL_PLAINTEXT or PLAINTEXT"
            )
        try:
            with secured:
                return _demands_login(secured, "SASL_SSL", has_sasl=security.has_sasl)
        except ssl.SSLError as error:
            return _alert(error)


def _demands_login(
    connected: socket.socket, protocol: str, *, has_sasl: bool = False
) -> str | None:
    """Ask for a SASL handshake, which a listener without logins refuses."""
    name = b"PLAIN"
    body = struct.pack(">hhih", _SASL_HANDSHAKE, 1, 1, -1) + struct.pack(">h", len(name)) + name
    connected.settimeout(_ANSWER_SECONDS)
    try:
        connected.sendall(struct.pack(">i", len(body)) + body)
        answer = connected.recv(64)
    except ssl.SSLError:
        raise
    except OSError:
        return None
    if has_sasl or len(answer) < 10 or struct.unpack(">h", answer[8:10])[0] == _ILLEGAL_SASL_STATE:
        return None
    return f"the listener expects a login; set {_PROTOCOL} to {protocol}"


def _verification(error: ssl.SSLCertVerificationError) -> str:
    reason = error.verify_message.rstrip(".")
    if "issuer" in reason or "self-signed" in reason or "self signed" in reason:
        advice = "set PANDA_KAFKA_SSL_CA to the authority that signed it"
    elif "expired" in reason or "not yet valid" in reason:
        advice = "the broker needs a new one; check also the clock of this machine"
    else:
        advice = "connect by a name that the certificate has"
    return f"its certificate is not accepted: {reason}; {advice}"


def _alert(error: ssl.SSLError) -> str:
    reason = (error.reason or "TLS failed").replace("_", " ").lower()
    return (
        f"it ends the TLS handshake ({reason}); does it require a client certificate? check"
        " PANDA_KAFKA_SSL_CERT and PANDA_KAFKA_SSL_KEY"
    )


def _connect(address: str) -> socket.socket:
    return socket.create_connection(split(address), timeout=_CONNECT_SECONDS)


def _words(error: OSError) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error.strerror or error)
