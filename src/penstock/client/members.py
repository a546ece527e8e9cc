"""The members of an archive as tar writes them: a header of fixed form for each, content, zeros to a whole block.

Every header is determined by name, size and mode. So an archive is read by comparing it with what must stand there:
a link, a device, a path that leads outside cannot even be said. Pure.
"""

import re
import tarfile

BLOCK = 512  # bytes
END = bytes(2 * BLOCK)  # after the last member
_NAME_ROOM = 100  # bytes
_SIZE_ROOM = 8**11  # sizes from here on stand in a record of their own
_SIZE, _CHECKSUM = slice(124, 135), slice(148, 156)  # where in a block


def header(name: str, size: int, *, executable: bool = False) -> bytes:
    """The header of a regular file: ustar, after a pax header where name or size do not fit into it."""
    encoded, records = name.encode(), b""
    if len(encoded) > _NAME_ROOM:
        records += _record("path", encoded)
    if size >= _SIZE_ROOM:
        records += _record("size", b"%d" % size)
    mode = 0o755 if executable else 0o644
    block = _block(encoded[:_NAME_ROOM], size if size < _SIZE_ROOM else 0, mode, b"0")
    if not records:
        return block
    return _block(b"PaxHeader", len(records), 0o644, b"x") + records + padding(len(records)) + block


def padding(size: int) -> bytes:
    """The zeros after content of `size` bytes."""
    return bytes(-size % BLOCK)


def stated_size(block: bytes) -> int:
    """The size in a header's block, 0 if there is none."""
    digits = block[_SIZE]
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else 0


def described(block: bytes) -> str:
    """What a member's first block says, for messages: `the link 'x'`."""
    if not block:
        return "nothing"
    try:
        found = tarfile.TarInfo.frombuf(block[:BLOCK].ljust(BLOCK, b"\0"), "utf-8", "replace")
    except (tarfile.HeaderError, ValueError):
        return "something that is no member of an archive"
    kinds = ((found.issym() or found.islnk(), "link"), (found.isdir(), "folder"), (found.isfile(), "file"))
    kind = next((word for true, word in kinds if true), "special file")
    return f"the {kind} {found.name[:120]!a} of {found.size} bytes"


def _block(name: bytes, size: int, mode: int, kind: bytes) -> bytes:
    fields = (
        name.ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % 0,  # user
        b"%07o\0" % 0,  # group
        b"%011o\0" % size,
        b"%011o\0" % 0,  # time
        b" " * 8,  # checksum
        kind,
        bytes(100),  # link
        b"ustar\x0000",
        bytes(32 + 32 + 8 + 8 + 155),  # names of user and group, device, prefix
    )
    block = bytearray(b"".join(fields).ljust(BLOCK, b"\0"))
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _record(key: str, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE` and a newline; the length counts itself."""
    rest = b" %b=%b\n" % (key.encode(), value)
    length = len(rest) + len(str(len(rest)))
    if len(str(length)) > len(str(len(rest))):
        length += 1
    return b"%d%b" % (length, rest)
