# SPDX-License-Identifier: MIT
"""The host's end of the network phases: a tap device, and two threads that read or write as fast
as the guest lets them."""
import os
import socket
import subprocess
import threading

TAP = "bench0"
HOST = "10.77.0.1"
SINK, SOURCE = 5001, 5002
PIECE = 1 << 20


def tap_make():
    """A fresh tap device with an address; False where that is not possible: the caller is not root,
    or there are none."""
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        return False
    subprocess.run(["ip", "link", "del", TAP], check=False, stderr=subprocess.DEVNULL)
    words = [["tuntap", "add", "dev", TAP, "mode", "tap"],
             ["addr", "add", f"{HOST}/24", "dev", TAP], ["link", "set", TAP, "up"]]
    return all(subprocess.run(["ip", *w], check=False).returncode == 0 for w in words)


def sink(connection):
    room = bytearray(PIECE)
    while connection.recv_into(room):
        pass
    connection.sendall(b"k")


def source(connection):
    piece = bytes(PIECE)
    while True:
        connection.sendall(piece)


def serve(port, what):
    listener = socket.create_server(("", port))

    def run():
        while True:
            connection, _ = listener.accept()
            with connection:
                try:
                    what(connection)
                except OSError:
                    pass  # the guest has had enough

    threading.Thread(target=run, daemon=True).start()


def start():
    serve(SINK, sink)
    serve(SOURCE, source)
