"""A server for `policies.py`: one process that computes a little for each answer. `small_server.py PORT TURNS`."""

import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[0]"


class Answers(asyncio.Protocol):
    """Requests come one at a time on a connection, and whole: they are small."""

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(int(sys.argv[2])):
            pass
        self._transport.write(ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
