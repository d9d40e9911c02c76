# SPDX-License-Identifier: MIT
# What the cases of networks share. To be sourced.

# The card with that address.
card_of() {
    for dir in /sys/class/net/*; do
        [ "$(cat "$dir/address")" != "$1" ] || { echo "${dir##*/}"; return; }
    done
    fail "no card $1"
}

# A file whose first line is the SHA-256 of the rest.
whole() {
    need_equal "bytes of $1" "$(tail -n +2 "$1" | sha256sum | cut -c1-64)" "$(head -n 1 "$1")"
    tail -n +2 "$1" >"$1.data"
}

# TCP with the peer at ADDRESS, both ways; its knocking at PORT.
tcp_both_ways() {
    move serve "$2" /tmp/knocked &
    server=$!
    move get "$1" 7001 /tmp/got || fail "nothing from $1"
    whole /tmp/got
    [ "$(wc -c </tmp/got.data)" -gt 1000000 ] || fail 'that was little'
    need_equal "bytes that $1 got" "$(move put "$1" 7002 /tmp/got.data)" "$(sha256sum </tmp/got.data | cut -c1-64)"
    wait $server || fail "nobody knocked at port $2"
    whole /tmp/knocked
    say "$name: $(wc -c </tmp/got.data) bytes there, back and in by port $2"
}
