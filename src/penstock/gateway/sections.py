"""A section of HAProxy's configuration as text."""


def section(head: str, *lines: str) -> str:
    return f"{head}\n" + "".join(f"    {line}\n" for line in lines)
