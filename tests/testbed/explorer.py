"""The explorer on a pseudo terminal, for the scripts here that look at it for minutes. The screen is read with pyte,
where that is installed."""
import fcntl
import os
import pty
import struct
import termios
import threading
import time

try:
    import pyte
except ImportError:
    pyte = None


class Explorer:
    def __init__(self, words, columns, rows):
        self.written = 0
        self.screen = pyte.Screen(columns, rows) if pyte else None
        self.stream = pyte.ByteStream(self.screen) if pyte else None
        self.guard = threading.Lock()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            os.execv(words[0], words)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                return
            if not data:
                return
            if b"\x1b[6n" in data:
                os.write(self.fd, b"\x1b[1;1R")
            self.written += len(data)
            if self.stream:
                with self.guard:
                    self.stream.feed(data)

    def keys(self, text, pause=0.3):
        os.write(self.fd, text.encode())
        time.sleep(pause)

    def text(self):
        with self.guard:
            return "\n".join(line.rstrip() for line in self.screen.display) if self.screen else ""

    def figures(self):
        """What it takes now; the processor since its start."""
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{self.pid}/status").read().splitlines() if ":\t" in line)
        stat = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return {"rss_mib": round(int(status["VmRSS"].split()[0]) / 1024, 1), "threads": int(status["Threads"]),
                "fds": len(os.listdir(f"/proc/{self.pid}/fd")),
                "cpu_s": (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")}
