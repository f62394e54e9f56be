#!/usr/bin/env python3
"""Writes assets/link-order.txt: the functions that a session runs, so that the linker puts them together (build.rs).

    link_order.py SERVICE PORT [NAMESPACE]

Needs valgrind, and a cluster in $KUBECONFIG with that Service, whose port answers HTTP: what TLS and a real API server
take has to be among them. It builds the release program once more with its symbols, runs it under callgrind as a
forward and as the API proxy, and writes what ran: they stay for days, what else there is ends or has a screen. To be run when sessions have changed much, or with another compiler; the list may be old, not wrong.
"""
import os, pathlib, re, shutil, signal, subprocess, sys, tempfile, threading, urllib.error, urllib.request

if len(sys.argv) < 3:
    sys.exit(__doc__.strip())
service, port, namespace = sys.argv[1], sys.argv[2], (sys.argv[3:] or ["default"])[0]
top = pathlib.Path(__file__).resolve().parents[2]
subprocess.run(["cargo", "rustc", "--release", "--locked", "--bin", "kdisco", "--", "-C", "strip=none"], cwd=top, check=True)
folder = pathlib.Path(tempfile.mkdtemp())
program = folder / "kdisco"
built = os.environ.get("CARGO_TARGET_DIR", top / "target")
program.write_bytes((pathlib.Path(built) / "release/kdisco").read_bytes())
program.chmod(0o700)


def ran(name, words, use):
    """The functions of one run, by their symbols: `use` gets its lines and ends when it has been used."""
    out = folder / name
    valgrind = ["valgrind", "--tool=callgrind", "--demangle=no", "--compress-strings=no", f"--callgrind-out-file={out}"]
    process = subprocess.Popen([*valgrind, program, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    use(process)
    process.send_signal(signal.SIGINT)
    for _ in process.stdout:
        pass
    process.wait()
    return [line[3:].strip().split("'")[0] for line in open(out) if line.startswith("fn=")]


def address(process):
    for line in process.stdout:
        if found := re.search(r"127\.0\.0\.1:\d+", line):
            return "http://" + found[0]
    sys.exit("it did not start")


def fetch(url):
    try:
        urllib.request.urlopen(url, timeout=120).read()
    except urllib.error.HTTPError:
        pass


def many(path, at_once, times):
    def use(process):
        base = address(process)
        for _ in range(times):
            threads = [threading.Thread(target=fetch, args=[base + path]) for _ in range(at_once)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
    return use


runs = [
    ("forward", ["forward", "-n", namespace, f"svc/{service}", f":{port}"], many("/", 50, 3)),
    ("proxy", ["proxy", "--port=0"], many("/version", 16, 3)),
]
names = list(dict.fromkeys(name for run in runs for name in ran(*run)))
symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout.split("\n")
known = {parts[2] for parts in map(str.split, symbols) if len(parts) == 3 and parts[1] in "tTwW"}
chosen = [name for name in names if name in known]
(top / "assets/link-order.txt").write_text("\n".join(chosen) + "\n")
shutil.rmtree(folder)
print(f"{len(chosen)} functions of {len(known)}")
