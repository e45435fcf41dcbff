#!/bin/bash
# A node's first process: room.sh FOLDER ADDRESS NAME. Makes its namespaces into a machine, and then only waits.
set -euo pipefail
folder=$1 address=$2 name=$3
groups=$(awk '$3 == "cgroup" && $4 ~ /^rw/ {print $2}' /proc/mounts)

mount --make-rslave /
mount -t sysfs sysfs /sys # of this network
mount -t tmpfs -o mode=755 groups /sys/fs/cgroup
for group in $groups; do
    hierarchy=${group##*/}
    mkdir "/sys/fs/cgroup/$hierarchy"
    options=$hierarchy
    [[ $hierarchy = systemd ]] && options=none,name=systemd
    mount -t cgroup -o "$options" "$hierarchy" "/sys/fs/cgroup/$hierarchy"
done

# Nothing that a node writes is the host's.
mount -t tmpfs -o mode=755 run /run
mkdir -p "$folder"/{lib,log,cni}
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/log" /var/log
mkdir -p /run/lock /var/lib/kubelet
mount --bind /var/lib/kubelet /var/lib/kubelet
mount --make-rshared /var/lib/kubelet

# The kubelet sets these, which are the whole machine's: files take their places.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
    file=$folder/settings/$setting
    mkdir -p "${file%/*}"
    cat "/proc/sys/$setting" >"$file"
    mount --bind "$file" "/proc/sys/$setting"
done

hostname "$name"
ip link set lo up
ip link add node type bridge
ip address add "$address/24" dev node
ip link set node up
ip route add default dev node
echo 1 >/proc/sys/net/ipv4/ip_forward

touch "$folder/ready"
exec sleep infinity
