"""Frontends for the gateway's own use, by sockets that only the owner can open."""

from penstock.gateway.backends import HANDOVER, LAST_RESORT, SUCCESSOR
from penstock.gateway.frontend import STATUS_RULES, UNIQUE_ID
from penstock.gateway.maps import ASLEEP
from penstock.gateway.sections import section

_INTO_BACKEND = (
    "http-request set-var(txn.backend) req.hdr(x-penstock-backend)",
    "http-request del-header x-penstock-backend",
    UNIQUE_ID,
    "http-request set-header x-penstock-request %[unique-id]",
    "use_backend %[var(txn.backend)]",
)


_LONGEST_SECONDS = 660  # of a request, with its wait


def inner_frontends(threads: int) -> str:
    """Where copies for mirrors enter; and what a retiring worker held; what answers where there is no instance (its
    backend writes the answer); metrics, and the counts of copies, which each thread has by itself.

    A copy wakes nobody: who mirrors to a deployment that sleeps wants to know what it would answer, not to run it.
    """
    return (
        section(
            "frontend mirrors",
            "bind unix@run/mirror.sock mode 600",
            f"http-request return status 503 if {{ req.hdr(x-penstock-backend),map({ASLEEP}) -m found }}",
            *_INTO_BACKEND,
        )
        + section(f"frontend {HANDOVER}", f"bind unix@run/{HANDOVER}.sock mode 600", *_INTO_BACKEND, *STATUS_RULES)
        + section(
            f"backend {SUCCESSOR}",
            "no option http-buffer-request",
            f"timeout server {_LONGEST_SECONDS}s",
            f"server {SUCCESSOR} unix@run/{SUCCESSOR}.sock no-check",
        )
        + section(
            f"frontend {LAST_RESORT}",
            f"bind unix@run/{LAST_RESORT}.sock mode 600",
            "option dontlog-normal",
            "http-request return status 503",
        )
        + section(
            "frontend metrics",
            "bind unix@run/metrics.sock mode 600",
            "http-request use-service prometheus-exporter if { path /metrics }",
        )
        + section(
            "frontend copies",
            *(f"bind unix@run/{copies_socket(n)} mode 600 thread {n}" for n in range(1, threads + 1)),
            "http-request use-service lua.copies",
        )
    )


def copies_socket(thread: int) -> str:
    """Name of the socket on which a thread, counted from 1, tells its counts of copies."""
    return f"copies-{thread}.sock"
