#!/usr/bin/env bash
# The contract suite (tests/contract.rs) against the testbed: compiles, starts the cluster, runs both halves, stops it.
# What stands behind the script's name goes to the suite: a filter, --nocapture, …
set -euo pipefail
cd "$(dirname "$0")/../.."

bed=tests/testbed/cluster.sh
run=${KDISCO_TESTBED_RUN:-${KDISCO_TESTBED:-$HOME/.cache/kdisco-testbed}/contract-run}
# Inside there is no network, and every byte of cargo's has to be there.
cargo test --locked --test contract --no-run
$bed stop
$bed start
trap '$bed stop' EXIT
# What is asked for by environment variables reaches the suite as it is.
$bed run env KDISCO_CONTRACT_KUBECONFIG="$run/admin.kubeconfig" \
    KDISCO_CONTRACT_IMAGE=kdisco.test/box:1 KDISCO_CONTRACT_FORGET="$bed forget" cargo test --locked --offline --test contract -- "$@"
