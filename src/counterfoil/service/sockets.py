"""The socket that the service listens on."""

import socket

import uvicorn


def listening_socket(config: uvicorn.Config) -> socket.socket:
    """Bind the socket that uvicorn listens on; what it accepts sends small packets at once.

    asyncio sets TCP_NODELAY only on sockets that were made with the number of their protocol, and uvicorn 0.54 makes
    its own without. An answer is two packets: the second would wait 40 ms for the client's delayed acknowledgement.
    """
    bound = config.bind_socket()
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound
