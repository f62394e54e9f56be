"""The API server of $KUBECONFIG's current context, for the scripts here that speak to it without kubectl."""
import base64
import json
import ssl
import subprocess
import tempfile
import urllib.parse


def current():
    """Its address, a TLS context that signs in where certificates do that, and the headers that do it elsewhere."""
    view = ["kubectl", "config", "view", "--raw", "--minify", "-o", "json"]
    config = json.loads(subprocess.run(view, text=True, capture_output=True, check=True).stdout)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]

    def file(where, key):
        if key + "-data" not in where:
            return where.get(key)
        f = tempfile.NamedTemporaryFile(delete=False)
        f.write(base64.b64decode(where[key + "-data"]))
        f.close()
        return f.name

    context = ssl.create_default_context(cafile=file(cluster, "certificate-authority"))
    if file(user, "client-certificate"):
        context.load_cert_chain(file(user, "client-certificate"), file(user, "client-key"))
    headers = {"Authorization": "Bearer " + user["token"]} if "token" in user else {}
    return urllib.parse.urlparse(cluster["server"]), context, headers
