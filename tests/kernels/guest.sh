#!/bin/bash
# The first process of the root: brings up what a system has, runs the tests that the kernel's command line names, and
# switches the machine off. The first disk is the root, the second the repository, the third takes the results.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb COLUMNS=160 CI=true
finish() {
    echo "gosonde-guest: $1"
    sync
    echo o >/proc/sysrq-trigger
    sleep 1000
}
option() { sed -nE "s/^(.* )?gosonde\.$1=(\S+).*$/\2/p" /proc/cmdline; }
for folder in /tmp /run; do mount -t tmpfs tmpfs $folder; done
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
ln -sf /proc/self/fd /dev/fd
ip link set lo up
echo gosonde >/proc/sys/kernel/hostname
echo 1 >/proc/sys/kernel/printk
repository=$(option repository)
mkdir -p "$repository"
mount -t ext4 /dev/vdb "$repository" || finish "the repository cannot be mounted"
cd "$repository" || finish "the repository is not there"
for folder in agent client cli collector common proto; do echo "$repository/$folder"; done \
    >/opt/gosonde/lib/python3.11/site-packages/gosonde.pth
export XDG_CACHE_HOME=$repository/.guest
echo "gosonde-guest: $(uname -rm), up for $(cut -d' ' -f1 /proc/uptime) s"
# shellcheck disable=SC2046  # one line, a test each word
/opt/gosonde/bin/python -m pytest -p tests.kernels.inside.results --results=/dev/vdc -m '' -p no:cacheprovider \
    --timeout=1200 $(cat .guest/tests) </dev/null 2>&1
finish "done with $?, up for $(cut -d' ' -f1 /proc/uptime) s"
