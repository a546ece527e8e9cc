"""What run() does that init() could have done once. Pure."""

from collections.abc import Iterable, Sequence

from penstock.domain.observation import Finding, Happening, Severity, Trace

_OFTEN = 0.5  # of the runs: what happens at least so often is part of every request
_LARGE_BYTES = 1024 * 1024  # files of this size take milliseconds
_UNSEEN_BYTES = 1024 * 1024  # in one run, beyond the files that Python opened
_LONGEST_NAME = 60  # characters
_KEPT_PARTS = 3

_ADVICE = {
    "file": "open and read it in init(), and keep what was read in a global variable",
    "written file": "write nothing to disk in run(): print() goes to the log, and the data collector keeps records",
    "import": "import it at the top of the file, so that the first request need not wait for it",
    "connection": "connect in init() and keep the connection in a global variable",
    "process": "do it within Python, or start the process once in init() and talk to it",
}
_VERBS = {
    "file": "opens",
    "written file": "writes",
    "import": "imports",
    "connection": "connects to",
    "process": "starts",
}


def trace_findings(traces: Sequence[Trace]) -> Iterable[Finding]:
    """A finding for each line, the costliest first; traces of all instances are taken together."""
    runs = sum(trace.runs for trace in traces)
    for happening in sorted(_joined(traces), key=lambda h: (-h.bytes, -h.count)):
        yield _finding(happening, runs)
    unseen = _unseen_bytes(traces, runs)
    if unseen > _UNSEEN_BYTES:
        yield Finding(
            severity=Severity.SERIOUS,
            what=f"run() reads {sized(unseen)} per call in a library's own code, or through files that stay open",
            advice="find the call in run() that loads something, and move it to init()",
        )
    dropped = sum(trace.dropped for trace in traces)
    if dropped:
        yield Finding(
            severity=Severity.NOTICE, what=f"run() does such things at more places than are told apart ({dropped} more)"
        )


def sized(count: float) -> str:
    """A number of bytes as people read it: `31 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def _joined(traces: Iterable[Trace]) -> list[Happening]:
    """The same line in several instances is one thing."""
    found: dict[tuple[str, str, int], Happening] = {}
    for each in (h for trace in traces for h in trace.happenings):
        key = (each.kind, each.file, each.line)
        known = found.get(key)
        if known is None:
            found[key] = each
            continue
        names = dict.fromkeys((*known.names, *each.names))
        found[key] = known.model_copy(
            update={
                "count": known.count + each.count,
                "runs": known.runs + each.runs,
                "bytes": known.bytes + each.bytes,
                "names": tuple(names),
            }
        )
    return list(found.values())


def _finding(happening: Happening, runs: int) -> Finding:
    often = runs > 0 and happening.runs >= runs * _OFTEN
    per_run = happening.bytes / max(1, happening.runs)
    what = f"run() {_VERBS.get(happening.kind, 'does')} {_named(happening)}"
    if happening.bytes:
        what += f" ({sized(per_run)})"
    what += " in every call" if often else f" in {happening.runs} of {runs} calls"
    serious = often and (happening.kind in ("import", "connection", "process") or per_run >= _LARGE_BYTES)
    place = f"{happening.file}:{happening.line} in {happening.function}()" if happening.file else ""
    return Finding(
        severity=Severity.SERIOUS if serious else Severity.ADVICE,
        what=what,
        where=place.replace("<module>()", "the module"),
        advice=_ADVICE.get(happening.kind, ""),
    )


def _named(happening: Happening) -> str:
    names = ", ".join(map(_short, happening.names[:3])) or "something"
    more = happening.count / max(1, happening.runs) - len(happening.names)
    return f"{names} and more" if happening.kind != "import" and more >= 1 else names


def _short(name: str) -> str:
    """Of a long path, its end."""
    parts = name.split("/")
    return name if len(name) <= _LONGEST_NAME or len(parts) <= _KEPT_PARTS else "/".join(("...", *parts[-_KEPT_PARTS:]))


def _unseen_bytes(traces: Sequence[Trace], runs: int) -> float:
    """Per run. Files are counted whole though a part may have been read, so that this is rather too small."""
    read = sum(trace.read_bytes or 0 for trace in traces)
    opened = sum(h.bytes for trace in traces for h in trace.happenings)
    return max(0, read - opened) / runs if runs else 0.0
