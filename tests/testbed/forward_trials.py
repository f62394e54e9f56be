#!/usr/bin/env python3
"""Trials of `kdisco forward` on a real cluster: what happens to its connections while the cluster changes below them.

    forward_trials.py KDISCO [TRIAL…] [--apiserver PIDFILE]

For a cluster that nobody needs: run it where kubectl may do everything; it works in a namespace of its own. Nodes need
the image $IMAGE (default local/tools:1) with `serve`: HTTP on 80 (`/` says the pod's name, `/bytes/N`,
`/slow/N/SECONDS`), an echo on 83; and `sleep`. Trials: rollout rollout-plain replaced deleted scaled stopped stopped-long
gigabyte many rights apiserver; without names all but the last, which kills the API server of PIDFILE and starts it
again. Each line says what was seen and whether it is what a forward should do; the exit code is the number of
trials that were not. Without a cluster it says so and ends well.
"""
import argparse, collections, concurrent.futures, hashlib, json, os, queue, random, re, signal, socket, subprocess, sys, threading, time

parser = argparse.ArgumentParser()
parser.add_argument("kdisco")
parser.add_argument("trials", nargs="*")
parser.add_argument("--apiserver", metavar="PIDFILE")
o = parser.parse_args()
IMAGE, NS = os.environ.get("IMAGE", "local/tools:1"), "forward-trials"
bad = 0


def kubectl(*words, check=True, stdin=None):
    return subprocess.run(["kubectl", *words], input=stdin, text=True, capture_output=True, check=check).stdout


def tell(trial, fine, text):
    global bad
    bad += not fine
    print(f"{'ok  ' if fine else 'BAD '} {trial}: {text}", flush=True)


def deployment(name, replicas, careful):
    more = ', "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}, "lifecycle": {"preStop": {"exec": {"command": ["sleep", "3"]}}}' if careful else ""
    return f"""---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {NS}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 12
      containers: [{{"name": "main", "image": "{IMAGE}", "imagePullPolicy": "Never", "command": ["serve"]{more}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {NS}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80}}, {{name: echo, port: 83}}]}}
"""


class Forward:
    """A running `kdisco forward` with its events."""

    def __init__(self, *words, env=None):
        self.events, self.lock, self.errors = [], threading.Condition(), []
        self.p = subprocess.Popen([o.kdisco, "forward", "-n", NS, "-o", "json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=lambda: self.errors.extend(self.p.stderr), daemon=True).start()

    def read(self):
        for line in self.p.stdout:
            with self.lock:
                self.events.append((time.time(), json.loads(line)))
                self.lock.notify_all()
        with self.lock:
            self.events.append((time.time(), {"event": "ended", "reason": None, "local": None}))
            self.lock.notify_all()

    def wait(self, wanted, limit=60):
        end = time.time() + limit
        with self.lock:
            while not (found := [e for _, e in self.events if wanted(e)]):
                if time.time() > end or not self.lock.wait(end - time.time()):
                    raise TimeoutError(f"no such event in {[e['event'] for _, e in self.events]}: {''.join(self.errors)}")
        return found[0]

    def port(self):
        return int(self.wait(lambda e: e["event"] == "listening" and e["local"].startswith("127."))["local"].rsplit(":")[-1])

    def reasons(self):
        with self.lock:
            return [(e["event"], e["reason"]) for _, e in self.events if e["event"] not in ("listening", "connected")]

    def figures(self):
        fds = os.listdir(f"/proc/{self.p.pid}/fd")
        status = open(f"/proc/{self.p.pid}/status").read()
        number = lambda what: int(re.search(what + r":\s+(\d+)", status)[1])
        return len(fds), number("Threads"), number("VmRSS")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.send_signal(signal.SIGCONT)
        self.p.terminate()
        self.p.wait(20)


def fetch(port, path="/", limit=40):
    """Body of one page over a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        s.settimeout(limit)
        data = b""
        while chunk := s.recv(65536):
            data += chunk
            head, sep, body = data.partition(b"\r\n\r\n")
            if sep and (m := re.search(rb"(?i)content-length: (\d+)", head)) and len(body) >= int(m[1]):
                break
    head, sep, body = data.partition(b"\r\n\r\n")
    if not sep or b" 200 " not in head.split(b"\r\n")[0]:
        raise OSError(f"not an answer: {data[:40]!r}")
    return body


class Client:
    """Fetches every so many seconds, each time over a new connection, whatever the others do."""

    def __init__(self, port, every):
        self.port, self.every, self.results, self.go = port, every, [], True
        self.pool = concurrent.futures.ThreadPoolExecutor(64)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def one(self, start):
        try:
            name = fetch(self.port).decode().strip()
            self.results.append((start, time.time() - start, name, None))
        except Exception as error:
            self.results.append((start, time.time() - start, None, f"{type(error).__name__}: {error}"))

    def run(self):
        due = time.time()
        while self.go:
            try:
                self.pool.submit(self.one, time.time())
            except RuntimeError:  # the trial has failed and everything ends
                return
            due += self.every
            time.sleep(max(0, due - time.time()))

    def end(self):
        self.go = False
        self.thread.join()
        self.pool.shutdown()
        return sorted(self.results)


def told(results):
    failed = [r for r in results if r[3]]
    slowest = max((r[1] for r in results if not r[3]), default=0)
    more = f"; first: {failed[0][3]} after {failed[0][1]:.2f} s" if failed else ""
    return f"{len(failed)} of {len(results)} requests failed{more}; {len({r[2] for r in results if r[2]})} pods answered; slowest {slowest:.2f} s"


def ready(name, count=1, limit=90):
    kubectl("-n", NS, "rollout", "status", f"deploy/{name}", f"--timeout={limit}s")


def scale(name, count):
    kubectl("-n", NS, "scale", f"deploy/{name}", f"--replicas={count}")
    if count:
        ready(name)


def rollout(trial, name):
    with Forward(f"svc/{name}", ":80") as f:
        port = f.port()
        client = Client(port, 0.05)
        time.sleep(2)
        kubectl("-n", NS, "rollout", "restart", f"deploy/{name}")
        ready(name)
        time.sleep(14)
        results = client.end()
        why = collections.Counter(f.reasons()).most_common(4)
        tell(trial, not any(r[3] for r in results), told(results) + (f"; told {why}" if why else ""))


def replaced(trial):
    """A new connection within a second after the replacing pod is ready; one made before waits for it."""
    scale("one", 1)
    with Forward("svc/one", ":80") as f:
        port = f.port()
        fetch(port)
        seen = queue.Queue()
        watch = subprocess.Popen(["kubectl", "-n", NS, "get", "pods", "-l", "app=one", "-w", "-o", "json", "--output-watch-events"], stdout=subprocess.PIPE, text=True)

        def follow():
            decoder, text = json.JSONDecoder(), ""
            for line in watch.stdout:
                text += line
                try:
                    event, _ = decoder.raw_decode(text)
                except ValueError:
                    continue
                text, pod = "", event["object"]
                good = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
                if good and not pod["metadata"].get("deletionTimestamp"):
                    seen.put((time.time(), pod["metadata"]["name"]))

        threading.Thread(target=follow, daemon=True).start()
        old = seen.get(timeout=20)[1]
        kubectl("-n", NS, "delete", "pod", old, "--grace-period=0", "--force")
        f.wait(lambda e: e["event"] == "retrying", 30)
        pool = concurrent.futures.ThreadPoolExecutor(1)
        waiting = pool.submit(fetch, port)  # one that comes too early
        while (now := seen.get(timeout=60))[1] == old:
            pass
        try:
            fetch(port)
            took = time.time() - now[0]
        except OSError as error:
            took = float("inf")
            print("     ", error)
        early = waiting.exception(60)
        watch.terminate()
        why = [r for e, r in f.reasons() if e == "retrying"][:1]
        tell(trial, took <= 1 and not early, f"new connection answered {took:.2f} s after the new pod was ready; one that came while there was none: {early or 'answered'}; reason told: {why}")


def deleted(trial):
    """A pod that goes in the middle of a download: the connection ends, why is told, the forward lives on."""
    scale("plain", 2)
    with Forward("svc/plain", ":80") as f:
        port, count = f.port(), 0
        with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
            s.sendall(b"GET /slow/50000000/60 HTTP/1.1\r\nHost: x\r\n\r\n")
            count += len(s.recv(65536))
            time.sleep(1)
            pod = f.wait(lambda e: e["event"] == "connected")["target"]["pod"]
            start = time.time()
            kubectl("-n", NS, "delete", "pod", pod, "--grace-period=0", "--force")
            try:
                while data := s.recv(65536):
                    count += len(data)
                end = "closed"
            except OSError as error:
                end = type(error).__name__
        took = time.time() - start
        reasons = []
        try:
            f.wait(lambda e: e["event"] == "error", 15)
        except TimeoutError:
            pass
        reasons = [r for e, r in f.reasons() if e == "error"]
        again = fetch(port).decode().strip()
        tell(trial, end in ("closed", "ConnectionResetError") and bool(reasons) and again != pod, f"{count} bytes, then {end} {took:.1f} s after the deletion; told: {reasons}; next connection by {again}")


def scaled(trial):
    """The states: waiting with the reason, connected again."""
    scale("one", 1)
    with Forward("svc/one", ":80") as f:
        port = f.port()
        fetch(port)
        f.wait(lambda e: e["event"] == "connected")
        scale("one", 0)
        f.wait(lambda e: e["event"] == "retrying", 60)
        time.sleep(15)
        start = time.time()
        try:
            fetch(port)
            fate = "answered?!"
        except Exception as error:
            fate = f"{error} after {time.time() - start:.1f} s"
        scale("one", 1)
        fetch(port)
        due = time.time() + 10
        while f.events[-1][1]["event"] != "connected" and time.time() < due:
            time.sleep(0.1)
        events = [(e["event"], e["reason"]) for _, e in f.events]
        tell(trial, "not an answer: b''" in fate and events[-1][0] == "connected", f"with none: {fate}; events {events}")


def stopped(trial, seconds):
    """The process sleeps, as a laptop does."""
    with Forward("svc/plain", ":80") as f:
        port = f.port()
        fetch(port)
        held = socket.create_connection(("127.0.0.1", port), timeout=30)
        held.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        held.recv(65536)
        f.p.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        f.p.send_signal(signal.SIGCONT)
        start, fine, worst = time.time(), 0, 0.0
        for _ in range(20):
            begun = time.time()
            try:
                fetch(port)
                fine += 1
            except OSError as error:
                print("     ", error)
            worst = max(worst, time.time() - begun)
        try:
            held.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            old = "answers" if held.recv(65536) else "closed"
        except OSError as error:
            old = type(error).__name__
        tell(trial, fine == 20, f"after {seconds} s: {fine} of 20 connections answered, slowest {worst:.2f} s, all in {time.time() - start:.1f} s; the one that was open before: {old}; told {f.reasons()}")


def gigabyte(trial):
    size, piece = 1_000_000_000, 1 << 20
    with Forward("svc/plain", ":83") as f:
        port = f.port()
        source = random.Random(8)
        blocks = [source.randbytes(piece) for _ in range(64)]
        sent, got, count = hashlib.sha256(), hashlib.sha256(), 0
        s = socket.create_connection(("127.0.0.1", port), timeout=120)

        def up():
            left, at = size, random.Random(9)
            while left:
                block = blocks[at.randrange(64)][:left]
                sent.update(block)
                s.sendall(block)
                left -= len(block)
            s.shutdown(socket.SHUT_WR)

        start = time.time()
        thread = threading.Thread(target=up)
        thread.start()
        while data := s.recv(1 << 18):
            got.update(data)
            count += len(data)
        thread.join()
        took = time.time() - start
        fds, threads, rss = f.figures()
        same = sent.digest() == got.digest()
        tell(trial, same, f"{count} bytes up and down again in {took:.1f} s ({2 * count / took / 1e6:.0f} MB/s both ways together), checksum {'equal' if same else 'DIFFERENT'}, resident {rss / 1024:.1f} MiB")


def many(trial):
    with Forward("svc/plain", ":80") as f:
        port = f.port()
        for _ in range(50):
            fetch(port)
        time.sleep(3)
        before, failed = f.figures(), []

        def one(_):
            try:
                fetch(port)
            except OSError as error:
                failed.append(str(error))

        start = time.time()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            list(pool.map(one, range(10_000)))
        took = time.time() - start
        time.sleep(20)
        after = f.figures()
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        left = True
    except ConnectionRefusedError:
        left = False
    tell(trial, not failed and not left and after[0] <= before[0] + 4 and after[1] <= before[1], f"10000 connections in {took:.0f} s, {len(failed)} failed {failed[:2]}; open files, threads, resident KiB before {before} after {after}; listener after the end: {left}")


def rights(trial):
    """A POST where only `create` is given, a WebSocket where only `get` is; with neither the one to ask for is named."""
    for verb in ("create", "get", "none"):
        user = f"trial-{verb}"
        rules = [{"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch", "get"]}, {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]
        if verb != "none":
            rules.append({"apiGroups": [""], "resources": ["pods/portforward"], "verbs": [verb]})
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": user, "namespace": NS}, "rules": rules}
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": user, "namespace": NS}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user}, "subjects": [{"kind": "User", "name": user}]}
        for thing in (role, binding):
            kubectl("apply", "-f", "-", stdin=json.dumps(thing))
        while "yes" not in kubectl("-n", NS, "auth", "can-i", "list", "services", f"--as={user}", check=False):
            time.sleep(0.1)
        with Forward("svc/plain", ":80", f"--as={user}") as f:
            if verb == "none":
                e = f.wait(lambda e: e["event"] in ("closed", "ended"))
                time.sleep(0.5)
                text = (e["reason"] or "") + "".join(f.errors)
                tell(f"{trial} {verb}", "create pods/portforward" in text, text.strip().replace("\n", " | "))
                continue
            port, fine = f.port(), 0
            for _ in range(20):
                try:
                    fetch(port)
                    fine += 1
                except OSError as error:
                    print("     ", error)
            tell(f"{trial} {verb}", fine == 20, f"{fine} of 20 connections answered")


def apiserver(trial):
    pid = int(open(o.apiserver).read())
    words, place = open(f"/proc/{pid}/cmdline").read().split("\0")[:-1], os.readlink(f"/proc/{pid}/cwd")
    log = open(f"/proc/{pid}/fd/1", "ab") if os.path.exists(f"/proc/{pid}/fd/1") else subprocess.DEVNULL
    with Forward("svc/plain", ":80") as f:
        port = f.port()
        fetch(port)
        client = Client(port, 0.2)
        time.sleep(2)
        os.kill(pid, signal.SIGKILL)
        killed = time.time()
        time.sleep(8)
        new = subprocess.Popen(words, cwd=place, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        open(o.apiserver, "w").write(f"{new.pid}\n")
        begun = time.time()
        while subprocess.run(["kubectl", "get", "--raw", "/readyz"], capture_output=True).returncode:
            time.sleep(0.2)
        up = time.time()
        time.sleep(12)
        results = client.end()
        after = [r for r in results if r[0] > up + 1]
        down = [r for r in results if killed < r[0] < up and r[3]]
        tell(trial, not any(r[3] for r in after) and f.p.poll() is None, f"API server away for {up - killed:.1f} s (ready {up - begun:.1f} s after its start): {len(down)} requests failed meanwhile; later than 1 s after it was ready {told(after)}; told {f.reasons()}")


ALL = {
    "rollout": lambda: rollout("rollout", "careful"),
    "rollout-plain": lambda: rollout("rollout-plain", "plain"),
    "replaced": lambda: replaced("replaced"),
    "deleted": lambda: deleted("deleted"),
    "scaled": lambda: scaled("scaled"),
    "stopped": lambda: stopped("stopped", 5),
    "stopped-long": lambda: stopped("stopped-long", 120),
    "gigabyte": lambda: gigabyte("gigabyte"),
    "many": lambda: many("many"),
    "rights": lambda: rights("rights"),
    "apiserver": lambda: apiserver("apiserver"),
}
if subprocess.run(["kubectl", "version", "--request-timeout=5s"], capture_output=True).returncode:
    print("skipped: no cluster")
    sys.exit(0)
kubectl("create", "namespace", NS, check=False)
kubectl("apply", "-f", "-", stdin=deployment("careful", 2, True) + deployment("plain", 2, False) + deployment("one", 1, True))
for name in ("careful", "plain", "one"):
    ready(name, limit=180)
for trial in o.trials or [t for t in ALL if t != "apiserver" or o.apiserver]:
    try:
        ALL[trial]()
    except Exception as error:
        tell(trial, False, f"{type(error).__name__}: {error}")
if not o.trials:
    kubectl("delete", "namespace", NS, "--wait=false", check=False)
sys.exit(bad)
