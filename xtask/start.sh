#!/bin/bash
# Adds to xtask/start.ld: the functions that plugins run from their start to their lists. Those that are there stay, for no run has all.
# Needs root, valgrind and binutils, and takes some minutes. Usage: xtask/start.sh [BINARY, not stripped]
set -euo pipefail
cd "$(dirname "$0")/.."
# Not below /dev, which is the simulated node's when plugins run.
export TMPDIR=/tmp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/{calls,kubelet,cdi}

cp xtask/start.ld "$work/former"

# A target folder of its own, because names are stripped from what is shipped.
binary=${1:-$(CARGO_PROFILE_RELEASE_STRIP=none CARGO_TARGET_DIR=target/start cargo xtask build | sed -n '1s/ ([0-9]* bytes)$//p')}

# Stands in for the binary. Valgrind 3.19 knows no openat2, so there is no prefix but the node's folders in place.
cat > "$work/traced" <<WRAPPER
#!/bin/bash
command=\$1 node=\$3 kubelet=\$5
export node kubelet
exec unshare --mount --propagation private sh -ec '
    mount --bind "\$kubelet" $work/kubelet; mount --bind "\$node/sys" /sys; mount --bind "\$node/dev" /dev; exec "\$@"
' sh valgrind --tool=callgrind --callgrind-out-file=$work/calls/\$command.%p --demangle=no \\
    $binary \$command -kubelet-dir $work/kubelet -cdi-dir $work/cdi
WRAPPER
chmod +x "$work/traced"
# What comes too late for the bench is traced all the same.
cargo run -p bench -- -quick -families "$work/traced" || true

# A function may have several names, and only one of them is that of its section.
sed -n "s/^c\?fn=([0-9]*) //p" "$work"/calls/* | sed "s/'[0-9]*\$//" | sort -u > "$work/called"
nm "$binary" | awk 'NF == 3 && $2 ~ /[tTwW]/ { print $1, $3 }' > "$work/symbols"
awk 'NR == FNR { called[$1]; next }
     FNR == 1 { pass++ }
     pass == 1 && $2 in called { at[$1] }
     pass == 2 && $1 in at { print $2 }' "$work/called" "$work/symbols" "$work/symbols" | sort -u > "$work/names"
test "$(wc -l < "$work/names")" -gt 500

{
    cat <<HEAD
/* The functions that plugins run from their start to their lists, side by side; see
   docs/decisions/0007-the-start-in-one-place.md. Made by xtask/start.sh. A name that is nowhere does no harm. */
SECTIONS {
    .text.start : {
HEAD
    # Of C, by object file. Of Rust, by function; what differs between builds of a crate is any.
    nm -A --defined-only "$(cc -print-file-name=libc.a)" 2> /dev/null > "$work/libc"
    {
        awk -F '[: ]' 'NR == FNR { name[$1]; next } $NF in name { print $2 }' "$work/names" "$work/libc" |
            # What valgrind's processor has of each, and what newer ones have.
            sed -E 'p; s/-avx2?([-.])/-evex\1/p; s/-evex([-.])/-avx512\1/'
        # Those that choose among such are asked before anything else, and valgrind does not see it.
        awk -F '[: ]' '$(NF - 1) == "i" { print $2 }' "$work/libc"
    } | sed 's/.*/        *libc.a:&(.text .text.*)/' | cat - <(grep -F '*libc.a:' "$work/former") | sort -u
    # Of a Rust name (RFC 2603) any is what the next build has otherwise: hashes of crates; references to what stood before, which count
    # characters, hashes included; at the end the crate for which a generic function was made, for of equal ones any is kept; and the
    # number of a copy.
    grep -E '^(_R|main$)' "$work/names" | sed -E 's/\.[0-9]+$//; s/Cs[0-9A-Za-z]+_/Cs*_/g; s/B[0-9A-Za-z]*_/B*_/g' | awk '
        /^_R/ {
            sub(/B\*_$/, "")
            crate = $0
            sub(/.*Cs\*_/, "", crate)
            if (crate ~ /^[0-9]+[a-z_]/ && crate + 0 == length(crate) - length(crate + 0)) $0 = substr($0, 1, length($0) - length(crate) - 4)
            $0 = $0 "*"
        }
        { print }' |
        sed 's/.*/        *(.text.*&)/' | cat - <(grep -F '*(.text.*' "$work/former") | sort -u
    printf '    }\n}\nINSERT BEFORE .text;\n'
} > xtask/start.ld
touch node/src/main.rs
wc xtask/start.ld
