"""HTTP as it is on the wire."""


def requests(count: int = 1, path: bytes = b"/score", body: bytes = b"1", close: bool = True) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (path, len(body))
    last = head + (b"Connection: close\r\n" if close else b"") + b"\r\n" + body
    return (head + b"\r\n" + body) * (count - 1) + last
