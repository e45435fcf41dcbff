#!/bin/sh
# enter.sh ROOT WORK COMMAND ...: runs a command in a root that nobody writes to: what it writes is in WORK. The kernel,
# processes and devices are this host's, for probes are about them. Mounts end with the command.
set -eu
lower=$1 work=$2 root=$2/root
shift 2
mkdir -p "$work/upper" "$work/tmp" "$root"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/tmp" "$root"
for folder in /proc /sys /dev; do mount --rbind "$folder" "$root$folder"; done
# Where packages of all kinds come from is this host's to say.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/npmrc "$HOME/.npmrc" /etc/ssl/certs/ca-certificates.crt; do
    if [ -f "$file" ]; then
        mkdir -p "$root${file%/*}"
        [ -e "$root$file" ] || : >"$root$file"
        mount --bind "$file" "$root$file"
    fi
done
for file in /etc/apt/apt.conf.d/*; do
    [ -e "$root$file" ] || cp "$file" "$root$file"
done
for folder in /opt "$HOME/.config/pip" "$HOME/.cache/gosonde"; do
    if [ -d "$folder" ]; then
        mkdir -p "$root$folder"
        mount --bind "$folder" "$root$folder"
    fi
done
exec chroot "$root" "$@"
