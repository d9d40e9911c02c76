# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# To be sourced. Fetches Debian packages with the machine's own apt sources and unpacks them without
# installing anything. Needs no root: where the machine has no package lists and we may not fetch
# them, lists of our own are kept below the cache directory.
#   deb_cache=DIR        set it before use: packages and private lists are kept there

deb_private=()

deb_apt() {
    local tool=$1
    shift
    DEBIAN_FRONTEND=noninteractive "$tool" -q -o APT::Sandbox::User=root -o Acquire::Retries=3 \
        "${deb_private[@]}" "$@"
}

# From here on packages are those of another architecture, by package lists of our own.
deb_foreign() {
    mkdir -p "$deb_cache/lists/partial" "$deb_cache/archives/partial"
    : >"$deb_cache/status"
    deb_private=(-o "Dir::State::lists=$deb_cache/lists" -o "Dir::Cache=$deb_cache"
        -o "Dir::State::status=$deb_cache/status" -o "APT::Architecture=$1" -o "APT::Architectures=$1")
}

# Refreshes the package lists: the machine's as root, otherwise our own. Fails with a sentence.
deb_update() {
    if [ "$(id -u)" != 0 ] && [ ${#deb_private[@]} -eq 0 ]; then
        mkdir -p "$deb_cache/lists/partial" "$deb_cache/archives/partial"
        deb_private=(-o "Dir::State::lists=$deb_cache/lists" -o "Dir::Cache=$deb_cache")
    fi
    deb_apt apt-get update >"$deb_cache/update.log" 2>&1 || {
        echo "${0##*/}: apt-get update failed, see $deb_cache/update.log; check the network and apt's sources" >&2
        return 1
    }
}

# deb_behind META: the package that a meta package such as linux-image-amd64 stands for.
deb_behind() {
    deb_apt apt-cache show --no-all-versions "$1" 2>/dev/null |
        sed -n 's/^Depends: \(linux-[^ ,]*\).*/\1/p' | head -n 1
}

# deb_get NAME DIR: downloads package NAME (once) and unpacks it into DIR.
deb_get() {
    local name=$1 dir=$2 file
    mkdir -p "$deb_cache" "$dir"
    file=$(find "$deb_cache" -maxdepth 1 -name "${name}_*.deb" | sort -V | tail -n 1)
    if [ -z "$file" ]; then
        (cd "$deb_cache" && deb_apt apt-get download "$name") >"$deb_cache/$name.log" 2>&1 || {
            echo "${0##*/}: cannot download package $name, see $deb_cache/$name.log" >&2
            return 1
        }
        file=$(find "$deb_cache" -maxdepth 1 -name "${name}_*.deb" | sort -V | tail -n 1)
    fi
    dpkg-deb -x "$file" "$dir"
}

# deb_kernel META DIR: the kernel behind a meta package into DIR: boot/, lib/modules/VERSION/ with
# modules.dep, and a file "version". Refreshes apt's lists when they know no such package or a
# version that the archive no longer has.
deb_kernel() {
    local meta=$1 dir=$2 name
    mkdir -p "$deb_cache"
    name=$(deb_behind "$meta")
    if [ -z "$name" ] || ! deb_get "$name" "$dir" 2>/dev/null; then
        deb_update || return 1
        name=$(deb_behind "$meta")
        [ -n "$name" ] || { echo "${0##*/}: apt knows no package $meta" >&2; return 1; }
        deb_get "$name" "$dir" || return 1
    fi
    name=$(ls "$dir/lib/modules")
    if ! [ -e "$dir/lib/modules/$name/modules.dep" ]; then
        PATH=$PATH:/usr/sbin:/sbin depmod -b "$dir" "$name"
    fi
    echo "$name" >"$dir/version"
}

# kernel_unpack BZIMAGE OUT: the ELF kernel inside.
kernel_unpack() {
    local sects offset length tool
    sects=$(od -An -tu1 -j 497 -N 1 "$1")
    offset=$(od -An -tu4 -j 584 -N 4 "$1")
    length=$(od -An -tu4 -j 588 -N 4 "$1")
    offset=$(((sects + 1) * 512 + offset))
    case $(od -An -tx1 -j "$offset" -N 4 "$1") in
    ' fd 37 7a 58') tool='xz -dc' ;;
    ' 28 b5 2f fd') tool='zstd -dcq' ;;
    ' 02 21 4c 18') tool='lz4 -dc' ;;
    ' 1f 8b'*) tool='gzip -dc' ;;
    *) return 1 ;;
    esac
    dd if="$1" bs=64K iflag=skip_bytes,count_bytes skip=$offset count=$((length - 4)) status=none |
        $tool >"$2"
}

# deb_modules DIR VERSION NAME...: paths of these modules and what they need, in loading order;
# built-in or unknown ones are left out.
deb_modules() {
    local dir=$1 version=$2
    shift 2
    PATH=$PATH:/usr/sbin:/sbin
    for name; do
        modprobe -S "$version" -d "$dir" --show-depends "$name" 2>/dev/null || true
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}
