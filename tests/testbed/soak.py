#!/usr/bin/env python3
"""Runs the explorer for a long time against a cluster that never rests, and says what that costs.

    soak.py KDISCO [--minutes 60] [--rate 100] [--forwards 20] [--turnover 0] [--namespace kdisco-soak] [--out FILE]
            [--breaking FILE]

In a namespace of its own, which it makes and deletes: pods that no scheduler takes and hand-written slices are
patched, made and deleted at a rate (changes a second, half of them pods), while the explorer runs on a pseudo terminal
with forwards to real pods that have traffic: half of them one HTTP request a second, each on a connection of its own,
the other half one long connection with an echo a second. Keys are pressed meanwhile. A line a minute: what the
explorer takes (memory, CPU, threads, descriptors), how many changes were made, how the forwards fared. At the end the
churn stops and what `kdisco services` says is compared with what the screen shows.

For a cluster that nobody needs; kubectl has to be there and allowed to do everything, nodes need the image $IMAGE
(default local/tools:1) with a program `serve`: HTTP with /bytes/N on port 80, an echo on 83. Standard library only;
with pyte installed the screen is read too. --breaking names a file that is locked while somebody breaks the cluster
on purpose: failures then are counted apart. --turnover deletes a pod of the forwards every so many seconds; another takes
its place, and connections that were on it fail.
"""
import argparse
import collections
import fcntl
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import server
from explorer import Explorer

a = argparse.ArgumentParser()
a.add_argument("kdisco")
a.add_argument("--minutes", type=float, default=60)
a.add_argument("--rate", type=float, default=100)
a.add_argument("--forwards", type=int, default=20)
a.add_argument("--turnover", type=float, default=0)
a.add_argument("--namespace", default="kdisco-soak")
a.add_argument("--out")
a.add_argument("--breaking")
a = a.parse_args()
NS, IMAGE = a.namespace, os.environ.get("IMAGE", "local/tools:1")
WORKERS, SLICES, PODS, FIRST_PORT = 16, 40, 400, 18100
COLS, ROWS = 160, 48
stop, churn_stop = threading.Event(), threading.Event()
lock = threading.Lock()
changes, ok, failed = collections.Counter(), collections.Counter(), collections.Counter()
out = open(a.out, "a") if a.out else None


def say(**line):
    text = json.dumps(line)
    print(text, flush=True)
    if out:
        print(text, file=out, flush=True)


def kubectl(*words, text=None, check=True):
    done = subprocess.run(["kubectl", *words], input=text, text=True, capture_output=True)
    if check and done.returncode:
        sys.exit(f"kubectl {' '.join(words)}: {done.stderr}")
    return done.stdout


class Api:
    """One connection to the API server, made again when it breaks."""

    conf = None

    def __init__(self):
        if not Api.conf:
            Api.conf = server.current()
        self.c = None

    def call(self, method, path, body=None, kind="application/json"):
        url, context, headers = Api.conf
        for _ in range(600):
            try:
                if self.c is None:
                    self.c = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=20)
                self.c.request(method, path, json.dumps(body), {**headers, "Content-Type": kind})
                r = self.c.getresponse()
                r.read()
                if r.status in (429, 500, 503, 504):
                    time.sleep(0.5)
                    continue
                return r.status
            except (OSError, http.client.HTTPException):
                self.c = None
                time.sleep(0.5)
            if stop.is_set():
                return 0
        return 0


PROXY_LESS = {"service.kubernetes.io/service-proxy-name": "nobody"}
POD = f"/api/v1/namespaces/{NS}/pods"
SLICE = f"/apis/discovery.k8s.io/v1/namespaces/{NS}/endpointslices"
MERGE = "application/merge-patch+json"


def address(i):
    return f"10.77.{i // 250}.{i % 250 + 1}"


def pod(i):
    return {"metadata": {"name": f"churn-{i:04d}", "labels": {"app": f"churn-{i % SLICES:02d}", "soak": "churn"}},
            "spec": {"schedulerName": "nobody", "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "app", "image": "registry.example/app:1",
                                     "ports": [{"name": "http", "containerPort": 8080}]}]}}


def status(i, ready, restarts):
    t, yes = "2026-01-01T00:00:00Z", "True" if ready else "False"
    return {"status": {"phase": "Running", "podIP": address(i), "podIPs": [{"ip": address(i)}],
                       "conditions": [{"type": c, "status": yes} for c in ("Ready", "ContainersReady")],
                       "containerStatuses": [{"name": "app", "ready": ready, "restartCount": restarts, "image": "app:1",
                                              "imageID": "", "state": {"running": {"startedAt": t}}}]}}


def endpoints(i, count):
    return [{"addresses": [address(i + SLICES * k)], "conditions": {"ready": random.random() < 0.8},
             "targetRef": {"kind": "Pod", "name": f"churn-{i + SLICES * k:04d}", "namespace": NS}} for k in range(count)]


def seed():
    kubectl("delete", "namespace", NS, "--ignore-not-found", "--wait=true")
    kubectl("create", "namespace", NS)
    for _ in range(60):
        if kubectl("-n", NS, "get", "serviceaccount", "default", check=False):
            break
        time.sleep(0.5)
    items = [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "serve"},
              "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "serve"}},
                       "template": {"metadata": {"labels": {"app": "serve"}},
                                    "spec": {"terminationGracePeriodSeconds": 1,
                                             "containers": [{"name": "serve", "image": IMAGE, "imagePullPolicy": "Never",
                                                             "command": ["serve"]}]}}}}]
    for i in range(a.forwards):
        items.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"forward-{i:02d}"},
                      "spec": {"selector": {"app": "serve"},
                               "ports": [{"port": FIRST_PORT + i, "targetPort": 83 if i % 2 else 80}]}})
    for i in range(SLICES):
        items.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"churn-{i:02d}", "labels": PROXY_LESS},
                      "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
    kubectl("-n", NS, "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    api = Api()
    for i in range(SLICES):
        labels = {"kubernetes.io/service-name": f"churn-{i:02d}", "endpointslice.kubernetes.io/managed-by": "soak", **PROXY_LESS}
        body = {"metadata": {"name": f"churn-{i:02d}-x", "labels": labels}, "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints(i, 10)}
        assert api.call("POST", SLICE, body) == 201
    for i in range(PODS):
        assert api.call("POST", POD, pod(i)) == 201
        api.call("PATCH", f"{POD}/churn-{i:04d}/status", status(i, True, 0), MERGE)
    kubectl("-n", NS, "rollout", "status", "deployment/serve", "--timeout=120s")


def churn(worker):
    api, gap, n = Api(), WORKERS / a.rate, 0
    due = time.monotonic()
    while not churn_stop.is_set():
        due = max(due + gap, time.monotonic() - 2)
        time.sleep(max(0, due - time.monotonic()))
        n += 1
        if n % 2:
            i = random.randrange(SLICES)
            code = api.call("PATCH", f"{SLICE}/churn-{i:02d}-x", {"endpoints": endpoints(i, random.randint(0, 12))}, MERGE)
        else:
            i = random.randrange(PODS // WORKERS) * WORKERS + worker
            if n % 20 == 0:
                code = api.call("DELETE", f"{POD}/churn-{i:04d}")
                with lock:
                    changes[code] += 1
                code = api.call("POST", POD, pod(i))
                due += gap
            else:
                code = api.call("PATCH", f"{POD}/churn-{i:04d}/status", status(i, random.random() < 0.8, n), MERGE)
        with lock:
            changes[code] += 1


def on_purpose():
    if not a.breaking:
        return False
    try:
        f = open(a.breaking, "a")
        fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True


def fail(what, error):
    key = f"{what}: {type(error).__name__} {error}" + (" (cluster broken on purpose)" if on_purpose() else "")
    with lock:
        failed[key] += 1


def web(port):
    while not stop.wait(1):
        try:
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
            c.request("GET", "/bytes/20000")
            size = len(c.getresponse().read())
            c.close()
            if size != 20000:
                raise OSError(f"{size} bytes")
            with lock:
                ok["web"] += 1
        except (OSError, http.client.HTTPException) as error:
            fail("web", error)


def echo(port):
    c = None
    while not stop.wait(1):
        try:
            if c is None:
                c = socket.create_connection(("127.0.0.1", port), timeout=40)
                with lock:
                    ok["echo connections"] += 1
            said = os.urandom(1000)
            c.sendall(said)
            back = b""
            while len(back) < len(said):
                some = c.recv(4096)
                if not some:
                    raise OSError("the connection ended")
                back += some
            if back != said:
                raise OSError("other bytes came back")
            with lock:
                ok["echo"] += 1
        except OSError as error:
            fail("echo", error)
            c = None


def turnover():
    while a.turnover and not churn_stop.wait(a.turnover):
        names = kubectl("-n", NS, "get", "pods", "-l", "app=serve", "-o", "name", check=False).split()
        if names:
            kubectl("-n", NS, "delete", random.choice(names), check=False)
            with lock:
                ok["pods replaced"] += 1


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


def counts(text):
    """ready/total of the churned Services, as a table has them."""
    return dict(re.findall(r"(churn-\d\d)\b.*?(\d+/\d+)!?(?=\s)", re.sub(r"\d+/TCP", "", text + "\n")))


def main():
    seed()
    say(seeded=True, kdisco=subprocess.check_output([a.kdisco, "--version"], text=True).strip())
    explorer = Explorer([a.kdisco, "-n", NS], COLS, ROWS)
    time.sleep(3)
    explorer.keys("/forward-\r", 1)
    for _ in range(a.forwards):
        explorer.keys("f")
        explorer.keys("j")
    time.sleep(2)
    up = sum(listens(FIRST_PORT + i) for i in range(a.forwards))
    say(forwards_listening=up)
    if up != a.forwards:
        say(screen=explorer.text())
        sys.exit("not all forwards listen")
    explorer.keys("\x1b", 1)
    for worker in range(WORKERS):
        threading.Thread(target=churn, args=(worker,), daemon=True).start()
    threading.Thread(target=turnover, daemon=True).start()
    for i in range(a.forwards):
        threading.Thread(target=echo if i % 2 else web, args=(FIRST_PORT + i,), daemon=True).start()
    begin, minute, before = time.monotonic(), 0, explorer.figures()
    say(minute=0, **before)
    made_before, stale_s, looks = 0, 0, 0
    while minute < a.minutes:
        looks += 1
        explorer.keys("jjkG\tgg"[looks % 7], 1)
        if looks % 30 == 0:
            explorer.keys("s", 1)
            explorer.keys("\x1b", 1)
        stale_s += 1 if re.search(r"\b(stale|old:|reconnect|unreachable)", explorer.text()) else 0
        if time.monotonic() - begin < (minute + 1) * 60 and time.monotonic() - begin < a.minutes * 60:
            continue
        minute += 1
        now = explorer.figures()
        with lock:
            made, good = sum(changes.values()), dict(ok)
            bad, codes = dict(failed), dict(changes)
        say(minute=minute, time=time.strftime("%H:%M:%S"), **now, cpu_percent=round((now["cpu_s"] - before["cpu_s"]) / 0.6, 1),
            changes_a_second=round((made - made_before) / 60, 1), codes=codes, ok=good, failed=bad,
            screen_mib=round(explorer.written / 2**20, 1), looks=looks, looks_stale=stale_s, load=os.getloadavg()[0])
        before, made_before = now, made
    churn_stop.set()
    time.sleep(5)
    said = counts(subprocess.run([a.kdisco, "-n", NS, "services"], text=True, capture_output=True).stdout)
    explorer.keys("1/churn-\r", 2)
    shown = counts(explorer.text())
    wrong = {name: (shown.get(name), said[name]) for name in shown if shown[name] != said.get(name)}
    say(compared=len(shown), wrong=wrong)
    say(screen=explorer.text())
    stop.set()
    explorer.keys("\x1b", 0.5)
    time.sleep(60)
    say(at_rest=explorer.figures())
    explorer.keys("q", 2)
    done, code = os.waitpid(explorer.pid, os.WNOHANG)
    say(quit=bool(done), code=code)
    if not done:
        os.kill(explorer.pid, signal.SIGKILL)


try:
    main()
finally:
    stop.set()
    churn_stop.set()
    kubectl("delete", "namespace", NS, "--wait=false", check=False)
