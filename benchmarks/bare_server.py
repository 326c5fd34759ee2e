"""A process that only sends bytes to whoever asks: how late they are is what the machine adds."""

import asyncio
import contextlib
import sys

HEAD_END = b"\r\n\r\n"


def serve(size: int) -> None:
    """Writes its port, then sends so many bytes for each request, until it is killed."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, b"x" * size)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(HEAD_END):
                writer.write(answer)
                await writer.drain()

    async def run() -> None:
        server = await asyncio.start_server(send, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    serve(int(sys.argv[1]))
