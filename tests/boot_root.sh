#!/bin/bash
# Runs in namespaces of its own (tests/booted_system.py): makes a root of the host's files, which stay as they are, and of
# what was staged, and boots it: boot_root.sh STAGE WORK TARGET
set -euo pipefail
stage=$1 work=$2 target=$3
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work"/{upper,overlay,root}
cp -a "$stage/." "$work/upper"
mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/overlay" overlay "$work/root"
cd "$work/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
chmod 1777 tmp
for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm .old
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
: >etc/fstab
pivot_root . .old
umount -l /.old
systemd-sysusers
systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/gosonde-{agent,collector}.conf
exec env -i container=gosonde-test PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/lib/systemd/systemd --unit="$target"
