#!/usr/bin/env bash
# A Kubernetes cluster of one node on this machine: etcd, API server, controllers, scheduler, kubelet on containerd,
# kube-proxy and CoreDNS, with no Docker and no image from anywhere. It lives in namespaces of its own (processes,
# mounts, network): it reaches nothing outside, nothing outside reaches it, and when its first process goes, all go.
#
#   tests/testbed/cluster.sh start        returns when pods run and CoreDNS answers; about a minute
#   tests/testbed/cluster.sh run CMD …    a command inside, as the administrator ($KUBECONFIG)
#   tests/testbed/cluster.sh stop
#   tests/testbed/cluster.sh forget       inside: the API server starts anew, and knows no revision from before
#
# Needs root and what build.sh makes. Everything that is written goes to $KDISCO_TESTBED_RUN (default: a folder beside
# those programs); its log folder says why something does not come up.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
store=${KDISCO_TESTBED:-$HOME/.cache/kdisco-testbed}
run=${KDISCO_TESTBED_RUN:-$store/contract-run}
# Addresses from blocks that are for benchmarks and documentation: nobody's.
node=203.0.113.10 pods=198.18.64.0/18 services=198.19.64.0/20,fd00:198:19::/112 dns=198.19.64.10 first=198.19.64.1
domain=cluster.local
export PATH=$store/bin:/usr/lib/cni:/usr/sbin:/sbin:$PATH

init() { cat "$run/init.pid" 2> /dev/null; }
running() { [ -n "$(init)" ] && kill -0 "$(init)" 2> /dev/null; }

start() {
    [ "$(id -u)" = 0 ] || { echo "the testbed needs root" >&2; exit 1; }
    running && { echo "it runs already: $run"; return; }
    for program in etcd coredns kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet; do
        [ -x "$store/bin/$program" ] || { echo "$program is not there: tests/testbed/build.sh" >&2; exit 1; }
    done
    rm -rf "$run"
    mkdir -p "$run/log" "$run/keys"
    setsid unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
        bash "$0" inside > "$run/log/inside" 2>&1 < /dev/null &
    local unshare=$!
    for _ in $(seq 600); do
        # The first process inside is the child of unshare.
        [ -s "$run/init.pid" ] || cat "/proc/$unshare/task/$unshare/children" 2> /dev/null | tr -d ' ' > "$run/init.pid" || true
        [ -f "$run/ready" ] && { echo "ready: $run/admin.kubeconfig, commands by: $0 run"; return; }
        kill -0 $unshare 2> /dev/null || break
        sleep 0.3
    done
    echo "the cluster does not come up; the end of $run/log/inside:" >&2
    tail -5 "$run/log/inside" >&2
    stop
    exit 1
}

stop() {
    running && kill -9 "$(init)" || true
    rm -f "$run/init.pid" "$run/ready"
}

enter() {
    running || { echo "no cluster runs: tests/testbed/cluster.sh start" >&2; exit 1; }
    exec nsenter --target "$(init)" --net --mount --pid --wd="$PWD" env KUBECONFIG="$run/admin.kubeconfig" "$@"
}

# ---- inside ----------------------------------------------------------------------------------------------------

# until_true SECONDS WHAT CMD …
until_true() {
    local rounds=$(($1 * 4)) what=$2
    shift 2
    while ! "$@" > /dev/null 2>&1; do
        rounds=$((rounds - 1))
        [ $rounds -gt 0 ] || { echo "given up: $what"; exit 1; }
        sleep 0.25
    done
}

# daemon NAME FLAGS …
daemon() {
    "$@" > "$run/log/$1" 2>&1 < /dev/null &
}

# api_server FLAGS …: starts it again each time it ends
api_server() {
    while :; do
        kube-apiserver "$@" < /dev/null &
        echo $! > "$run/apiserver.pid"
        wait $! || true
        sleep 0.2
    done >> "$run/log/kube-apiserver" 2>&1 &
}

# The caches of watches that it fills anew begin now: whoever asks for what came before hears 410.
forget() {
    kill -9 "$(cat "$run/apiserver.pid")"
    until_true 10 "the API server's end" gone "$(cat "$run/apiserver.pid")"
    until_true 120 "the API server" kubectl get --raw /readyz
}

gone() { ! kill -0 "$1"; }

# key NAME SUBJECT [NAMES]: a key and a certificate by our authority
key() {
    local usage="keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth"
    [ -z "${3:-}" ] || usage="$usage\nsubjectAltName=$3"
    openssl req -new -newkey rsa:2048 -nodes -subj "$2" -keyout "$run/keys/$1.key" -out "$run/keys/$1.csr" 2> /dev/null
    openssl x509 -req -days 7 -in "$run/keys/$1.csr" -CA "$run/keys/ca.crt" -CAkey "$run/keys/ca.key" \
        -CAcreateserial -extfile <(printf '%b\n' "$usage") -out "$run/keys/$1.crt" 2> /dev/null
}

# user NAME SUBJECT: a kubeconfig
user() {
    key "$1" "$2"
    local data
    data() { base64 --wrap=0 "$run/keys/$1"; }
    cat > "$run/$1.kubeconfig" << KUBECONFIG
apiVersion: v1
kind: Config
current-context: testbed
clusters:
- name: testbed
  cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: $(data ca.crt)}
users:
- name: $1
  user: {client-certificate-data: $(data "$1.crt"), client-key-data: $(data "$1.key")}
contexts:
- name: testbed
  context: {cluster: testbed, user: $1, namespace: default}
KUBECONFIG
}

# image NAME FOLDER: an image of one layer, as `docker save` writes it, into containerd
image() {
    local work=$run/image
    rm -rf "$work" && mkdir -p "$work"
    tar --create --owner=0 --group=0 --directory="$2" --file="$work/layer.tar" .
    local sum
    sum=$(sha256sum "$work/layer.tar" | cut -c1-64)
    cat > "$work/config.json" << CONFIG
{"os": "linux", "architecture": "$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')",
 "config": {"Env": ["PATH=/bin"], "Cmd": ["sleep", "infinity"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$sum"]}}
CONFIG
    printf '[{"Config": "config.json", "RepoTags": ["%s"], "Layers": ["layer.tar"]}]\n' "$1" > "$work/manifest.json"
    tar --create --directory="$work" --file="$run/image.tar" manifest.json config.json layer.tar
    ctr --address "$run/containerd.sock" --namespace k8s.io images import "$run/image.tar" > /dev/null
    rm -rf "$work" "$run/image.tar"
}

inside() {
    # The network: a pair of devices of which one has the node's address.
    mount --rbind /sys/fs/cgroup "$(mkdir -p "$run/cgroup" && echo "$run/cgroup")"
    mount -t sysfs sysfs /sys
    mount --rbind "$run/cgroup" /sys/fs/cgroup
    mount --make-rshared /
    ip link set lo up
    ip link add uplink type veth peer name nowhere
    ip address add "$node/24" dev uplink
    ip link set uplink up
    ip link set nowhere up
    sysctl -qw net.ipv4.ip_forward=1 || true

    openssl req -x509 -newkey rsa:2048 -nodes -days 7 -subj /CN=kdisco-testbed \
        -keyout "$run/keys/ca.key" -out "$run/keys/ca.crt" 2> /dev/null
    openssl genrsa -out "$run/keys/accounts.key" 2048 2> /dev/null
    key apiserver /CN=kube-apiserver "DNS:kubernetes.default.svc.$domain,DNS:localhost,IP:127.0.0.1,IP:$node,IP:$first"
    user admin /O=system:masters/CN=admin
    user node "/O=system:nodes/CN=system:node:testbed"
    export KUBECONFIG=$run/admin.kubeconfig

    daemon etcd --data-dir "$run/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
        --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
    api_server --etcd-servers http://127.0.0.1:2379 --advertise-address "$node" --secure-port 6443 \
        --client-ca-file "$run/keys/ca.crt" --tls-cert-file "$run/keys/apiserver.crt" \
        --tls-private-key-file "$run/keys/apiserver.key" --authorization-mode Node,RBAC --allow-privileged \
        --service-cluster-ip-range "$services" --service-account-issuer "https://kubernetes.default.svc.$domain" \
        --service-account-key-file "$run/keys/accounts.key" --service-account-signing-key-file "$run/keys/accounts.key" \
        --kubelet-preferred-address-types InternalIP --enable-admission-plugins NodeRestriction
    until_true 120 "the API server" kubectl get --raw /readyz
    daemon kube-controller-manager --kubeconfig "$KUBECONFIG" --leader-elect=false --root-ca-file "$run/keys/ca.crt" \
        --service-account-private-key-file "$run/keys/accounts.key" --use-service-account-credentials \
        --service-cluster-ip-range "$services"
    daemon kube-scheduler --kubeconfig "$KUBECONFIG" --leader-elect=false

    mkdir -p "$run/cni" "$run/static"
    cat > "$run/cni/10-pods.conflist" << CNI
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods0", "isGateway": true,
 "hairpinMode": true, "ipam": {"type": "host-local", "dataDir": "$run/addresses", "ranges": [[{"subnet": "$pods"}]],
 "routes": [{"dst": "0.0.0.0/0"}]}}]}
CNI
    cat > "$run/containerd.toml" << CONTAINERD
version = 2
root = "$run/containerd"
state = "$run/containerd-state"
[grpc]
  address = "$run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "kdisco.test/box:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$run/cni"
CONTAINERD
    daemon containerd --config "$run/containerd.toml"
    until_true 30 containerd ctr --address "$run/containerd.sock" version
    local box=$run/box
    mkdir -p "$box/bin" "$box/tmp" "$box/etc"
    cp "$(command -v busybox)" "$box/bin/busybox"
    for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$box/bin/$applet"; done
    image kdisco.test/box:1 "$box"
    cp "$store/bin/coredns" "$box/bin/coredns"
    image kdisco.test/coredns:1 "$box"
    rm -rf "$box"

    # The node's own resolver is one that never answers.
    printf 'nameserver 203.0.113.53\nsearch corp.example\n' > "$run/resolv.conf"
    cat > "$run/kubelet.yaml" << KUBELET
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
clusterDNS: ["$dns"]
clusterDomain: $domain
resolvConf: $run/resolv.conf
containerRuntimeEndpoint: unix://$run/containerd.sock
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {memory.available: 1Mi, nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
# Without cgroups for pods the kubelet crashes when a pod that is deleted at once looks to it like one to be resized
# (1.34: a nil pointer in doPodResizeAction), and no pod gets ready any more.
featureGates: {InPlacePodVerticalScaling: false}
KUBELET
    daemon kubelet --kubeconfig "$run/node.kubeconfig" --config "$run/kubelet.yaml" --hostname-override testbed \
        --node-ip "$node" --root-dir "$run/kubelet" --cert-dir "$run/keys/kubelet"
    daemon kube-proxy --kubeconfig "$KUBECONFIG" --hostname-override testbed --proxy-mode iptables \
        --cluster-cidr "$pods" --conntrack-max-per-core 0
    sed "s/DNS_ADDRESS/$dns/; s/CLUSTER_DOMAIN/$domain/g" "$here/coredns.yaml" | kubectl apply -f -
    until_true 120 "the node" sh -c 'kubectl get node testbed | grep -qw Ready'
    until_true 120 CoreDNS sh -c 'test "$(kubectl -n kube-system get deployment coredns -o jsonpath={.status.readyReplicas})" = 2'
    touch "$run/ready"
    # Without one of its programs it is no cluster: better that all ends than that somebody waits for it.
    local status=0
    wait -n || status=$?
    echo "a program has ended ($status); see the logs beside this one"
}

case ${1:-} in
start) start ;;
stop) stop ;;
run) shift && enter "$@" ;;
forget) forget ;;
inside) inside ;;
*) sed -n 's/^#   //p' "$0" >&2 && exit 2 ;;
esac
