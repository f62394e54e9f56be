#!/bin/bash
# Makes faults on purpose in a real cluster, sees by exec that each is real, and compares the verdict of
# `kdisco doctor` with the cause that was made.
#
#   doctor_faults.sh KDISCO [--coredns]
#
# For a cluster that nobody needs: run it where kubectl is allowed to do everything. Nodes need the image
# $IMAGE (default local/tools:1): a shell with sleep, nc, and `getent-glibc NAME` and `getent-musl NAME`, which print
# the addresses or "ERROR" and getaddrinfo's words. With --coredns the DNS server itself is broken too, last, and put
# back; $MARK is a file that exists while that lasts. Without a cluster it says so and ends well.
set -u
KDISCO=${1:?usage: doctor_faults.sh KDISCO [--coredns]}; shift
IMAGE=${IMAGE:-local/tools:1} MARK=${MARK:-}
A=doctor-a B=doctor-b
right=0 wrong=0
kubectl version --request-timeout=5s >/dev/null 2>&1 || { echo "skipped: no cluster"; exit 0; }

apply() { kubectl apply -f - >/dev/null || exit 1; }
cleanup() { kubectl delete namespace $A $B --wait=false >/dev/null 2>&1; }
trap cleanup EXIT
server() { kubectl -n kube-system get service kube-dns -o 'jsonpath={.spec.clusterIP}'; }
DOMAIN=$(kubectl -n kube-system get configmap coredns -o 'jsonpath={.data.Corefile}' | sed -n 's/^ *kubernetes \([^ ]*\).*/\1/p' | head -1)
DNS=$(server)

pod() { # pod NAMESPACE NAME [more of the spec]: a client that sleeps
  cat <<Y
---
apiVersion: v1
kind: Pod
metadata: {name: $2, namespace: $1, labels: {app: $2}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "$IMAGE", imagePullPolicy: Never, command: [sleep, "100000"], ports: [{name: web, containerPort: 80}]}
${3:-}
Y
}
unready() { # the same, never ready
  pod "$@" | sed 's|command: \[sleep, "100000"\]|&, readinessProbe: {exec: {command: ["false"]}}|'
}
service() { # service NAMESPACE NAME SPEC
  printf -- '---\napiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: %s\n' "$2" "$1" "$3"
}

# seen POD LIBC NAME: found | missing, as the pod's own look-up says
seen() {
  local out
  out=$(kubectl -n $A exec "$1" -- "getent-$2" "$3" 2>&1)
  case $out in *ERROR*|*rror*|"") echo missing ;; *) echo found ;; esac
}
connects() { kubectl -n $A exec client -- sh -c "nc -w 2 $1 </dev/null >/dev/null 2>&1" && echo connects || echo refused; }

# check WHAT REAL WANTED-REAL CODE DOCTOR-ARGUMENTS…
check() {
  local what=$1 real=$2 wanted=$3 code=$4; shift 4
  local said; said=$("$KDISCO" doctor "$@" -o name 2>&1 | head -1)
  if [ "$real" = "$wanted" ] && [ "$said" = "$code" ]; then right=$((right + 1)); mark=ok; else wrong=$((wrong + 1)); mark=WRONG; fi
  printf '%-5s %-44s really %-9s verdict %s' "$mark" "$what" "$real" "$said"
  [ "$mark" = ok ] && echo || echo "   (wanted: really $wanted, verdict $code)"
}
name() { # name WHAT POD LIBC NAME found|missing CODE: by getaddrinfo in the pod
  check "$1" "$(seen "$2" "$3" "$4")" "$5" "$6" "$4" --from $A/"$2" --libc "$3"
}
silent() { # silent WHAT SERVICE CODE: resolves, and nothing answers
  local real; real="$(seen client glibc "$2"),$(connects "$2 80")"
  check "$1" "$real" found,refused "$3" "$2" --from $A/client --libc glibc
}

kubectl delete namespace $A $B --ignore-not-found >/dev/null 2>&1
kubectl create namespace $A >/dev/null && kubectl create namespace $B >/dev/null || exit 1
long=$(for i in $(seq 12); do printf 'a-rather-long-search-domain-%s.example, ' "$i"; done)
{
  pod $A client; pod $A web; pod $A limited
  pod $A ndots '  dnsConfig: {options: [{name: ndots, value: "1"}]}'
  pod $A default '  dnsPolicy: Default'
  pod $A host '  hostNetwork: true' | sed 's|, ports: .*\]}|}|'
  pod $A hostdns "  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet" | sed 's|, ports: .*\]}|}|'
  pod $A none '  dnsPolicy: None
  dnsConfig: {nameservers: ["192.0.2.200"]}'
  pod $A long "  dnsConfig: {searches: [${long%, }]}"
  pod $A stops "  dnsPolicy: None
  dnsConfig: {nameservers: [\"$DNS\"], searches: [svc.$DOMAIN, $B.svc.$DOMAIN], options: [{name: ndots, value: \"5\"}]}"
  unready $A slow; unready $A peer
  service $A good '{selector: {app: web}, ports: [{name: web, port: 80, targetPort: web}]}'
  service $B other '{selector: {app: web}, ports: [{port: 80}]}'
  service $B $A '{selector: {app: web}, ports: [{port: 80}]}'
  service $A lost '{selector: {app: wep}, ports: [{port: 80}]}'
  service $A slow '{selector: {app: slow}, ports: [{port: 80}]}'
  service $A peers '{clusterIP: None, selector: {app: peer}, ports: [{port: 80}]}'
  service $A named '{selector: {app: web}, ports: [{port: 80, targetPort: nope}]}'
  service $A numbered '{selector: {app: web}, ports: [{port: 80, targetPort: 9999}]}'
  service $A bare '{ports: [{port: 80}]}'
  service $A ip '{type: ExternalName, externalName: 192.0.2.7}'
  service $A gone "{type: ExternalName, externalName: nope.$A.svc.$DOMAIN}"
  service $A dead '{type: ExternalName, externalName: nope.invalid}'
  cat <<Y
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: $A}
spec: {podSelector: {matchLabels: {app: limited}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}
Y
} | apply
kubectl -n $A wait --for=condition=Ready pod client web limited ndots default host hostdns none long stops --timeout=120s >/dev/null || exit 1
# Endpoints follow their pods.
for _ in $(seq 60); do [ -n "$(kubectl -n $A get endpointslices -l kubernetes.io/service-name=peers -o 'jsonpath={.items[*].endpoints[*].addresses}')" ] && break; sleep 0.5; done

name  "nothing wrong"                       client glibc good.$A              found   ok
name  "nothing wrong, absolute"             client musl  "good.$A.svc.$DOMAIN." found ok
name  "short name, other namespace"         client glibc other                missing service-in-other-namespace
name  "no such Service"                     client glibc god.$A               missing service-not-found
name  "no such namespace"                   client glibc good.doctor-none     missing namespace-not-found
name  "label svc is missing"                client glibc good.$A.$DOMAIN      missing missing-svc-label
name  "wrong cluster domain"                client glibc good.$A.svc.k8s.corp missing wrong-cluster-domain
name  "final dot stops the search"          client glibc good.$A.             missing search-list-not-used
name  "port of no such name"                client glibc "_x._tcp.good.$A.svc.$DOMAIN." missing port-name-not-found
name  "endpoint of no such name"            client glibc "x.good.$A.svc.$DOMAIN." missing endpoint-not-found
name  "ndots:1, musl"                       ndots  musl  good.$A              missing ndots-too-low
name  "a namespace's name stops musl"       stops  musl  $A                   missing musl-stops-search
name  "long search list, musl"              long   musl  good                 missing too-many-searches
name  "dnsPolicy Default"                   default glibc good.$A             missing not-cluster-dns
name  "hostNetwork"                         host   glibc good.$A              missing not-cluster-dns
name  "dnsPolicy None, other server"        none   glibc good.$A              missing not-cluster-dns
name  "headless, nothing ready"             client glibc peers                missing headless-no-ready-endpoints
name  "ExternalName is an address"          client glibc ip                   missing external-name-is-ip
name  "ExternalName, target is missing"     client glibc gone                 missing external-name-target-missing
name  "ExternalName, dead outside"          client glibc dead                 missing external-name-unresolvable
silent "selector matches nothing"           lost     selector-matches-nothing
silent "nothing ready"                      slow     no-ready-endpoints
silent "target port by a name nobody has"   named    target-port-not-declared
silent "target port by a number nobody has" numbered target-port-not-declared
silent "no selector, no slices"             bare     no-selector-no-slices
# Whether it is real depends on the network plugin; the verdict says so.
check "NetworkPolicy without port 53" made made network-policy-blocks-dns good.$A --from $A/limited
laptop=$(getent hosts good.$A >/dev/null 2>&1 && echo found || echo missing)
check "asked on this machine" "$laptop" missing asked-outside-cluster good.$A -n $A

if [ "${1:-}" = --coredns ]; then
  [ -z "$MARK" ] || : > "$MARK"
  corefile=$(kubectl -n kube-system get configmap coredns -o json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(json.dumps({"data": d["data"]}))')
  role=$(kubectl get clusterrole system:coredns -o json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(json.dumps({"rules": d["rules"]}))')
  replicas=$(kubectl -n kube-system get deployment coredns -o 'jsonpath={.spec.replicas}')
  restore() {
    kubectl -n kube-system patch configmap coredns --type merge -p "$corefile" >/dev/null
    kubectl patch clusterrole system:coredns --type merge -p "$role" >/dev/null
    kubectl -n kube-system scale deployment coredns --replicas="$replicas" >/dev/null
    again
    kubectl -n kube-system rollout status deployment coredns --timeout=120s >/dev/null
    [ -z "$MARK" ] || rm -f "$MARK"
  }
  trap 'restore; cleanup' EXIT
  again() { kubectl -n kube-system delete pod -l k8s-app=kube-dns --force --grace-period=0 >/dev/null 2>&1; }
  nobody() { for _ in $(seq 120); do kubectl -n kube-system get endpointslices -l kubernetes.io/service-name=kube-dns -o 'jsonpath={.items[*].endpoints[*].conditions.ready}' | grep -q true || return 0; sleep 0.5; done; }
  set_corefile() { kubectl -n kube-system patch configmap coredns --type merge -p "$(python3 -c 'import json,sys; print(json.dumps({"data": {"Corefile": sys.stdin.read()}}))')" >/dev/null; }
  plain() { printf '.:53 {\n errors\n ready\n kubernetes %s in-addr.arpa ip6.arpa {\n  pods insecure\n  %s\n }\n forward . %s\n %s\n}\n' "$DOMAIN" "$1" "$2" "$3"; }
  running() { kubectl -n kube-system rollout status deployment coredns --timeout=60s >/dev/null; }

  plain "namespaces default kube-system" /etc/resolv.conf "" | set_corefile; again; running
  name "the Corefile serves some namespaces only" client glibc good.$A missing corefile-hides-name
  printf '%s.svc.%s:53 {\n forward . 192.0.2.200\n}\n' $A "$DOMAIN" | cat <(plain "ttl 30" /etc/resolv.conf "") - | set_corefile; again; running
  name "a stub domain shadows a namespace" client glibc good.$A missing corefile-hides-name
  plain "ttl 30" 127.0.0.1 loop | set_corefile; again; nobody
  for _ in $(seq 60); do kubectl -n kube-system get pods -l k8s-app=kube-dns -o 'jsonpath={.items[*].status.containerStatuses[*].restartCount}' | grep -q '[1-9]' && break; sleep 1; done
  name "the loop plugin stops CoreDNS" client glibc good.$A missing coredns-loop
  kubectl -n kube-system patch configmap coredns --type merge -p "$corefile" >/dev/null
  kubectl patch clusterrole system:coredns --type json -p '[{"op":"replace","path":"/rules","value":[{"apiGroups":[""],"resources":["services","pods","namespaces"],"verbs":["list","watch"]}]}]' >/dev/null
  again; nobody; sleep 3
  name "CoreDNS may not list EndpointSlices" client glibc good.$A missing coredns-missing-rights
  kubectl patch clusterrole system:coredns --type merge -p "$role" >/dev/null
  kubectl -n kube-system scale deployment coredns --replicas=0 >/dev/null; again; nobody
  name "CoreDNS has no replicas" client glibc good.$A missing coredns-down
fi
echo "$right right, $wrong wrong"
[ "$wrong" = 0 ]
