# SPDX-License-Identifier: MIT
# What every case has: $name, the keys of the command line, and these.

say() {
    echo "vmm-guest: $*"
}

fail() {
    say "$name FAIL $*"
    exit 1
}

# need_equal WHAT IS WANTED
need_equal() {
    [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# The lines of /proc/interrupts that belong to virtio devices.
virtio_interrupts() {
    grep virtio /proc/interrupts
}
