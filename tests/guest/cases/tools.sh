# SPDX-License-Identifier: MIT
# Programs on the disk with serial TOOLS. To be sourced.

disk_of() {
    for dir in /sys/block/vd*; do
        [ "$(cat "$dir/serial")" != "$1" ] || { echo "/dev/${dir##*/}"; return; }
    done
    fail "no disk with serial $1"
}

tools_mount() {
    mkdir -p /tools
    mount -t ext4 -o ro,noload "$(disk_of TOOLS)" /tools || fail "cannot mount the tools"
    mount -t devtmpfs dev /tools/dev
    mount -t proc proc /tools/proc
    mount -t tmpfs tmp /tools/tmp
}

tools_unmount() {
    umount /tools/tmp /tools/proc /tools/dev /tools
}
