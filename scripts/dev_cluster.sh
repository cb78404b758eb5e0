#!/usr/bin/env bash
# A Slurm of two virtual nodes on this one machine, for tests: real slurmctld, slurmd, sbatch, srun and preemption.
set -euo pipefail

usage="usage: scripts/dev_cluster.sh start [--install] | stop | status | env

  start    start munged, slurmctld and two slurmd on loopback (again: only what does not run);
           --install: apt-get the packages first, where they are missing
  stop     end its jobs and daemons, take its node names out of the hosts file
  status   say what runs; exit code 1 where the cluster is not up
  env      print what a shell needs to use it: eval \"\$(scripts/dev_cluster.sh env)\"

KARYOCYTE_CLUSTER_DIR holds its state (default: .dev-cluster in the checkout)."
packages="slurm-wlm munge"
nodes=(karyo1 karyo2)
dir=${KARYOCYTE_CLUSTER_DIR:-$(cd "$(dirname "$0")/.." && pwd)/.dev-cluster}
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
conf=$dir/etc/slurm.conf
mark="# karyocyte dev cluster in $dir"

fail() {
    echo "error: $*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || fail "only root can start or stop the dev cluster (slurmd runs jobs as the user who sent them)"
}

need_packages() { # with --install: installs them, where they are missing
    local programs="munged slurmctld slurmd sbatch"
    if ! type $programs >/dev/null 2>&1 && [ "${1:-}" = --install ]; then
        command -v apt-get >/dev/null || fail "no apt-get here: --install works on Debian and Ubuntu; install Slurm and munge by hand"
        # RUNLEVEL=1: the packages start no daemons with the machine's own /etc/slurm, this cluster brings its own.
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y -qq --no-install-recommends $packages; } >"$dir/log/install.log" 2>&1 ||
            fail "the packages $packages could not be installed: see $dir/log/install.log"
    fi
    type $programs >/dev/null 2>&1 ||
        fail "Slurm or munge is missing here: apt-get install $packages (or: scripts/dev_cluster.sh start --install)"
    # A Unix socket's path has 107 characters at most; slurmstepd makes the longest below spool/.
    [ ${#dir} -le 60 ] || fail "the folder $dir is too long for the sockets in it: set KARYOCYTE_CLUSTER_DIR to a shorter one"
}

free_ports() { # print three ports in a row that nobody listens on
    local base port
    for base in $(seq 26817 10 27817); do
        for port in $base $((base + 1)) $((base + 2)); do
            ! (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null || continue 2
        done
        echo $base
        return
    done
    fail "no free ports between 26817 and 27817"
}

write_conf() {
    local base host
    host=$(hostname -s)
    base=$(free_ports)
    # Two GPUs a node are counted, not real: requests of GPUs are granted and refused as on a real cluster.
    # cred_expire is also how long a requeued job waits: 120 s if not said, 5 at least.
    # GraceTime is what a preempted job has to write its checkpoint, KillWait what it has after its time limit.
    cat >"$conf" <<CONF
ClusterName=karyocyte
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
EnforcePartLimits=ALL
KillWait=20
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=60
MessageTimeout=30
NodeName=${nodes[0]} NodeHostname=$host NodeAddr=127.0.0.1 Port=$((base + 1)) CPUs=8 RealMemory=64000 Gres=gpu:2
NodeName=${nodes[1]} NodeHostname=$host NodeAddr=127.0.0.1 Port=$((base + 2)) CPUs=8 RealMemory=64000 Gres=gpu:2
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=60 MaxTime=1-0 DefaultTime=30
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=1-0 DefaultTime=30
CONF
    printf 'NodeName=%s Name=gpu File=/dev/null\nNodeName=%s Name=gpu File=/dev/zero\n' \
        "${nodes[0]}" "${nodes[0]}" "${nodes[1]}" "${nodes[1]}" >"$dir/etc/gres.conf"
    echo 'CgroupPlugin=autodetect' >"$dir/etc/cgroup.conf"
}

add_hosts() {
    ! grep -qF "$mark" /etc/hosts || return 0
    [ -z "$(tail -c 1 /etc/hosts)" ] || echo >>/etc/hosts # its last line may be without an end
    echo "127.0.0.1 ${nodes[*]} $mark" >>/etc/hosts
}

running() { # is the process of the pid file $1 there, and ours? A number may have been given away again.
    local pid
    pid=$(cat "$dir/run/$1.pid" 2>/dev/null) && [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] &&
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$dir/"
}

start_daemon() { # start_daemon NAME COMMAND...: where it does not run
    running "$1" || "${@:2}" 2>>"$dir/log/start.log" || fail "$1 does not start: see $dir/log/$1.log and start.log"
}

start_daemons() {
    start_daemon munged munged --force --key-file="$dir/etc/munge.key" --socket="$dir/run/munge.socket" \
        --pid-file="$dir/run/munged.pid" --log-file="$dir/log/munged.log" --seed-file="$dir/run/munged.seed"
    start_daemon slurmctld slurmctld -f "$conf"
    local node
    for node in "${nodes[@]}"; do start_daemon "$node" slurmd -N "$node" -f "$conf"; done
}

nodes_up() { # how many of the nodes take jobs
    timeout 10 sinfo --noheader --Node --partition=low --states=idle,alloc,mix,comp --format=%N 2>/dev/null | sort -u | wc -l
}

wait_for_nodes() {
    local waited
    for waited in $(seq 120); do
        [ "$(nodes_up)" = ${#nodes[@]} ] && return
        [ "$waited" != 20 ] || for node in "${nodes[@]}"; do scontrol update nodename="$node" state=resume 2>/dev/null || true; done
        sleep 0.5
    done
    fail "the nodes ${nodes[*]} do not come up: see the logs in $dir/log"
}

left_processes() { # print the ids of what jobs have left: theirs carry the name of a node, and this slurm.conf
    local pid
    for pid in $(grep -slzxF "SLURM_CONF=$conf" /proc/[0-9]*/environ | cut -d / -f 3); do
        if grep -sqzxE "SLURMD_NODENAME=(${nodes[0]}|${nodes[1]})" "/proc/$pid/environ" || grep -sqx slurmstepd "/proc/$pid/comm"; then
            echo "$pid"
        fi
    done
}

end_daemons() { # all at once: slurmctld alone may take ten seconds
    local name pid pids=()
    for name in slurmctld "${nodes[@]}" munged; do
        running "$name" && pids+=("$(cat "$dir/run/$name.pid")")
    done
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for _ in $(seq 30); do
        kill -0 "${pids[@]}" 2>/dev/null || break
        sleep 0.1
    done
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
}

start() {
    ! status >/dev/null 2>&1 || { status; return; }
    need_root
    mkdir -p "$dir"/{etc,log,run,spool,state}
    chmod 755 "$dir" "$dir/run"
    need_packages "$@"
    [ -f "$dir/etc/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$dir/etc/munge.key")
    [ -f "$conf" ] || write_conf
    { add_hosts; } 2>/dev/null || fail "/etc/hosts cannot be written: the nodes ${nodes[*]} must be in it as 127.0.0.1"
    start_daemons
    wait_for_nodes
    status
}

stop() {
    need_root
    [ -d "$dir" ] || { echo "no dev cluster in $dir"; return; }
    end_daemons
    local pid
    for pid in $(left_processes); do kill -KILL "$pid" 2>/dev/null || true; done
    local hosts
    hosts=$(grep -vF "$mark" /etc/hosts || true)
    echo "$hosts" >/etc/hosts # written in place: in a container the file is a mount, which cannot be replaced
    rm -rf "$dir"/{etc,run,spool,state}
    echo "stopped; its logs stay in $dir/log"
}

status() {
    local name up=0
    for name in munged slurmctld "${nodes[@]}"; do
        if running "$name"; then echo "$name: runs (process $(cat "$dir/run/$name.pid"))"; else echo "$name: down" && up=1; fi
    done
    [ $up = 0 ] || { echo "not up: scripts/dev_cluster.sh start"; return 1; }
    sinfo && [ "$(nodes_up)" = ${#nodes[@]} ] || { echo "not all nodes take jobs"; return 1; }
    echo "to use it: eval \"\$(scripts/dev_cluster.sh env)\""
}

env_lines() {
    [ -f "$conf" ] || fail "no dev cluster in $dir: scripts/dev_cluster.sh start"
    # gloo would otherwise look for a network of the host's name.
    printf 'export %s=%q\n' KARYOCYTE_CLUSTER_DIR "$dir" SLURM_CONF "$conf" GLOO_SOCKET_IFNAME lo
}

export PATH=$PATH:/usr/sbin:/sbin SLURM_CONF=$conf
case "${1:-}" in
    start) shift && { [ $# = 0 ] || [ "$*" = --install ] || fail "start takes nothing but --install, not: $*"; } && start "$@" ;;
    stop) stop ;;
    status) status ;;
    env) env_lines ;;
    -h | --help) echo "$usage" ;;
    *) echo "$usage" >&2 && exit 2 ;;
esac
