#!/usr/bin/env bash
# Compiles the programs of a Kubernetes node from their published Go modules: once for each machine, some twenty
# minutes on two cores. Afterwards there is nothing to do, and it says nothing.
#
#   tests/testbed/build.sh              everything that is missing
#   tests/testbed/build.sh etcd coredns these alone
#
# Needs Go, the Go module proxy, and for the container runtime apt-get as root. The programs go to
# $KDISCO_TESTBED (default ~/.cache/kdisco-testbed).
set -euo pipefail

store=${KDISCO_TESTBED:-$HOME/.cache/kdisco-testbed}
kubernetes=1.34.4 etcd=3.6.14 coredns=1.14.7
mkdir -p "$store/bin" "$store/mod"

# workspace NAME MODULE VERSION: a module of our own that needs nothing but MODULE.
workspace() {
    local folder=$store/mod/$1-$3
    [ -f "$folder/ready" ] && return
    mkdir -p "$folder"
    printf 'module kdisco.test/%s\n\ngo 1.24.0\n\nrequire %s v%s\n' "$1" "$2" "$3" > "$folder/go.mod"
    if [ "$1" = kubernetes ]; then
        # Kubernetes' parts point to each other inside its repository; published they are modules of their own, whose
        # versions begin with 0 instead of 1.
        local parts
        parts=$(cd "$folder" && go mod download -json "$2@v$3" | sed -n 's/^.*"GoMod": "\(.*\)".*$/\1/p')
        sed -n 's#^[[:space:]]*\(k8s\.io/[a-z0-9-]*\) => \./staging/.*$#\1#p' "$parts" | sort -u |
            while read -r part; do printf 'replace %s => %s v0.%s\n' "$part" "$part" "${3#1.}"; done >> "$folder/go.mod"
    fi
    touch "$folder/ready"
}

# compile PROGRAM WORKSPACE-FOLDER PACKAGE [LINKER FLAGS]
compile() {
    printf 'compiling %s\n' "$1"
    (cd "$store/mod/$2" && go build -mod=mod -ldflags "-s -w ${4:-}" -o "$store/bin/.$1" "$3")
    mv "$store/bin/.$1" "$store/bin/$1"
}

# Without its version Kubernetes calls itself v0.0.0, and its parts refuse each other.
stamp=k8s.io/component-base/version
stamps="-X $stamp.gitVersion=v$kubernetes -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(cut -d. -f2 <<< "$kubernetes")"

for program in ${*:-etcd coredns kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet}; do
    [ -x "$store/bin/$program" ] && continue
    command -v go > /dev/null || { echo "the testbed needs Go 1.24 or newer: https://go.dev/dl" >&2; exit 1; }
    # Only the kubelet needs C.
    export CGO_ENABLED=0
    case $program in
    etcd)
        workspace etcd go.etcd.io/etcd/server/v3 "$etcd"
        compile etcd "etcd-$etcd" go.etcd.io/etcd/server/v3
        ;;
    coredns)
        workspace coredns github.com/coredns/coredns "$coredns"
        compile coredns "coredns-$coredns" github.com/coredns/coredns
        ;;
    *)
        [ "$program" != kubelet ] || export CGO_ENABLED=1
        workspace kubernetes k8s.io/kubernetes "$kubernetes"
        compile "$program" "kubernetes-$kubernetes" "k8s.io/kubernetes/cmd/$program" "$stamps"
        ;;
    esac
done

missing=()
for pair in containerd:containerd runc:runc busybox:busybox-static iptables:iptables conntrack:conntrack ip:iproute2 openssl:openssl; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
[ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || { echo "as root: apt-get install ${missing[*]}" >&2; exit 1; }
    apt-get update -qq
    apt-get install -y -qq "${missing[@]}" > /dev/null
fi
