#!/bin/busybox sh
# The first process: loads the modules of the disks, and goes over to the root, which is read and not changed.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in /modules/*.ko; do insmod "$module"; done
case " $(cat /proc/cmdline) " in
*" gosonde.only-boot "*)
    echo gosonde-booted
    poweroff -f
    ;;
esac
tries=0
while [ ! -b /dev/vdc ] && [ $tries -lt 600 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
mount -t ext4 /dev/vda /root || poweroff -f
for folder in dev proc sys; do mount --move /$folder /root/$folder; done
exec switch_root /root /usr/sbin/gosonde-init
