#!/usr/bin/env python3
"""The explorer behind a bad way to a real API server, for minutes: is what it shows true, or marked stale?

    fault_trials.py KDISCO [FAULT…] [--minutes 2] [--namespace kdisco-faults]

A relay of its own stands before the API server: it speaks plain HTTP to kdisco and signs in at the server as whoever
runs this, so it can spoil single requests. In a namespace that it makes and deletes a Service gets another port every
two seconds: the port on the screen says how old the screen is. For each fault a line: the oldest picture that called
itself live, looks at which the screen was marked stale, requests and connections a minute, CPU, memory; then the fault
ends, and how long it took until the screen was true again. A picture that calls itself live and is older than 100 s (a
watch that stands silent is asked after 90 s) is a lie and makes the exit code 1; so is a screen that is not true 40 s
after the end (the longest pause is 30 s).

Faults: latency resets stalls truncated corrupted trickle 429 500 503 410 away; without names all of them. For a cluster
that nobody needs; kubectl has to be there and allowed to do everything. Needs Python 3 with pyte.
"""
import argparse, asyncio, json, os, random, re, signal, subprocess, sys, threading, time

import server
from explorer import Explorer

p = argparse.ArgumentParser()
p.add_argument("kdisco")
p.add_argument("faults", nargs="*")
p.add_argument("--minutes", type=float, default=2)
p.add_argument("--namespace", default="kdisco-faults")
a = p.parse_intermixed_args()
ALL = "latency resets stalls truncated corrupted trickle 429 500 503 410 away".split()
NS, OLDEST, AGAIN = a.namespace, 100, 40
random.seed(9)


def kubectl(*words, text=None, check=True):
    return subprocess.run(["kubectl", *words], input=text, text=True, capture_output=True, check=check).stdout


class Relay:
    """One connection of ours for each of the server's. `fault` may change at any time."""

    def __init__(self):
        self.fault, self.requests, self.connections, self.open = "", 0, 0, set()
        self.server, self.context, self.headers = server.current()
        self.loop, ready = asyncio.new_event_loop(), threading.Event()

        async def main():
            listener = await asyncio.start_server(self.client, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            ready.set()
            await asyncio.Event().wait()

        threading.Thread(target=lambda: self.loop.run_until_complete(main()), daemon=True).start()
        ready.wait()

    def cut(self):
        """Ends every connection, as a server that goes does."""
        self.loop.call_soon_threadsafe(lambda: [w.transport.abort() for w in list(self.open)])

    def answer(self, path):
        """What a spoiled request gets instead of the server's answer."""
        code = self.fault
        if code not in ("429", "500", "503", "410") or random.random() < 0.3:
            return None
        if code == "410" and b"watch=" not in path and b"continue=" not in path:
            return None
        word = {"429": "TooManyRequests", "500": "InternalError", "503": "ServiceUnavailable", "410": "Expired"}[code]
        body = json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "a trial", "reason": word, "code": int(code)}).encode()
        wait = b"Retry-After: 1\r\n" if code == "429" else b""
        return b"HTTP/1.1 %s X\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n" % (code.encode(), wait, len(body)) + body

    async def client(self, reader, writer):
        self.connections += 1
        if self.fault == "away":
            return writer.transport.abort()
        self.open.add(writer)
        try:
            up_reader, up_writer = await asyncio.open_connection(self.server.hostname, self.server.port, ssl=self.context)
        except OSError:
            self.open.discard(writer)
            return writer.transport.abort()
        down = asyncio.ensure_future(self.down(up_reader, writer))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(length.group(1))) if length else b""
                spoiled = self.answer(head.split(b" ", 2)[1])
                if spoiled:
                    writer.write(spoiled)
                    continue
                for name, value in self.headers.items():
                    head = head.replace(b"\r\n", f"\r\n{name}: {value}\r\n".encode(), 1)
                up_writer.write(head + body)
                if b"upgrade" in head.lower():
                    while data := await reader.read(1 << 16):
                        up_writer.write(data)
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.open.discard(writer)
            down.cancel()
            up_writer.transport.abort()
            writer.close()

    async def down(self, reader, writer):
        try:
            while data := await reader.read(1 << 14):
                f, unlucky = self.fault, random.random() < 0.2
                if f == "latency":
                    await asyncio.sleep(0.3)
                elif f == "trickle":
                    for at in range(0, len(data), 400):
                        writer.write(data[at:at + 400])
                        await writer.drain()
                        await asyncio.sleep(0.01)
                    continue
                elif f == "resets" and unlucky:
                    break
                elif f == "stalls" and unlucky:
                    await asyncio.Event().wait()
                elif f == "truncated" and unlucky:
                    writer.write(data[:len(data) // 2])
                    return writer.close()
                elif f == "corrupted" and unlucky:
                    data = bytearray(data)
                    for _ in range(1 + len(data) // 200):
                        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
                writer.write(bytes(data))
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()


def look(screen):
    """The number on the screen, and whether the screen says that it is live."""
    text = screen.text()
    port = re.search(r"clock .*?(\d+)/TCP", text)
    return int(port.group(1)) - 10000 if port else None, "● live" in text.split("\n")[0]


class Clock:
    """A Service whose port says when it was changed last."""

    def __init__(self):
        self.at, self.stop = [time.monotonic()], threading.Event()
        self.write(0)
        threading.Thread(target=self.run, daemon=True).start()

    def write(self, n):
        kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "clock", "namespace": NS}, "spec": {"ports": [{"port": 10000 + n}], "selector": {"app": "none"}}}))

    def run(self):
        while not self.stop.wait(2):
            self.write(len(self.at))
            self.at.append(time.monotonic())

    def age(self, n, now):
        """For how long another number has been the true one."""
        return 0 if n is None or n + 1 >= len(self.at) else now - self.at[n + 1]


def trial(fault, relay, screen, clock):
    relay.fault = fault
    requests, connections, cpu, begun = relay.requests, relay.connections, screen.figures()["cpu_s"], time.monotonic()
    oldest, stale, looks, highest = 0, 0, 0, 0
    while time.monotonic() < begun + 60 * a.minutes:
        # What spoils requests needs some: watches that stand would outlive the trial.
        if fault[0].isdigit() and looks % 30 == 0 or fault == "away" and looks == 0:
            relay.cut()
        time.sleep(0.5)
        n, live = look(screen)
        looks, stale = looks + 1, stale + (not live)
        if live:
            oldest = max(oldest, clock.age(n, time.monotonic()))
        highest = max(highest, screen.figures()["rss_mib"])
    minutes = (time.monotonic() - begun) / 60
    used = (screen.figures()["cpu_s"] - cpu) / (60 * minutes)
    rates = (relay.requests - requests) / minutes, (relay.connections - connections) / minutes
    relay.fault, ended = "", time.monotonic()
    while time.monotonic() < ended + 120:
        n, live = look(screen)
        if live and n is not None and clock.age(n, time.monotonic()) < 1:
            break
        time.sleep(0.1)
    took = time.monotonic() - ended
    fine = oldest <= OLDEST and took <= (OLDEST if fault == "stalls" else AGAIN)
    print(f"{'ok  ' if fine else 'BAD '} {fault}: called live, at the oldest {oldest:.1f} s old; marked stale at {stale} of {looks} looks; {rates[0]:.0f} requests and {rates[1]:.0f} connections a minute; CPU {100 * used:.1f} %; at most {highest:.1f} MiB; true again {took:.1f} s after the end", flush=True)
    if not fine:
        print(screen.text(), flush=True)
    return fine


def main():
    kubectl("delete", "namespace", NS, "--ignore-not-found")
    kubectl("create", "namespace", NS)
    relay = Relay()
    clock, screen = Clock(), Explorer([a.kdisco, "--server", relay.url, "-n", NS], 140, 40)
    due = time.monotonic() + 30
    while look(screen)[0] is None:
        if time.monotonic() > due:
            sys.exit("the Service is not on the screen:\n" + screen.text())
        time.sleep(0.1)
    bad = 0
    try:
        for fault in a.faults or ALL:
            bad += not trial(fault, relay, screen, clock)
    finally:
        clock.stop.set()
        os.kill(screen.pid, signal.SIGKILL)
        kubectl("delete", "namespace", NS, "--wait=false", check=False)
    sys.exit(bool(bad))


main()
