#!/usr/bin/env bash
# Backs up, damages and restores the samples in a scratch directory, which is removed again.
# Shows each command with what it prints; stops at the first exit code that is not as expected.
set -euo pipefail
samples="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
binary="${HOLDFAST_BINARY:-$samples/../.build/release/holdfast}"
[[ -x "$binary" ]] || { echo "demo: no binary at $binary; make build" >&2; exit 1; }

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin"
ln -s "$(realpath "$binary")" "$scratch/bin/holdfast"
PATH="$scratch/bin:$PATH"
cp -a "$samples/intact" "$scratch/stores"
chmod -R u+w "$scratch/stores"
cd "$scratch"

# The first night and the second one: backups take their time from here where it is set.
night() { export SOURCE_DATE_EPOCH="$(date -u -d "2026-05-$1T03:15:00Z" +%s)"; }
night 20

say() { printf '\n# %s\n' "$*"; }

# expect CODE COMMAND: prints the command, runs it, and checks its exit code.
expect() {
  local wanted="$1" code=0
  shift
  printf '\n$ %s\n' "$*"
  bash -o pipefail -c "$*" 2>&1 || code=$?
  if ((wanted != 0)); then printf '(exit %d)\n' "$code"; fi
  if ((code != wanted)); then
    printf 'demo: expected exit %d, got %d\n' "$wanted" "$code" >&2
    exit 1
  fi
}

say "What is in a store, and is it sound?"
expect 0 holdfast inspect stores/memory.jsonl
expect 0 holdfast inspect stores/coaia

say "One digest for the same records, whatever their shape: a snapshot and an archive."
expect 0 holdfast digest stores/snapshot-v1.1.json stores/archive
expect 0 holdfast diff stores/snapshot-v1.1.json stores/archive --stat

say "A backup of each, read back before it counts."
expect 0 holdfast backup stores/memory.jsonl --to backups
expect 0 "for s in stores/coaia stores/archive stores/*.json stores/events.jsonl; do \
holdfast backup --quiet --to backups \$s; done"
expect 0 holdfast list backups
expect 0 holdfast verify backups

say "Restored and checked without Holdfast: tar and sha256sum."
expect 0 "mkdir plain && tar --zstd -xf backups/memory-20260520T031500Z.tar.zst -C plain && \
cd plain && sha256sum -c SHA256SUMS"
expect 0 cmp plain/store/memory.jsonl stores/memory.jsonl

say "A bad day: the last write stopped half way, and the program refuses its own file."
night 21
expect 0 cp -p stores/memory.jsonl good.jsonl
expect 0 truncate -s 1700 stores/memory.jsonl
expect 4 "jq -c . stores/memory.jsonl >/dev/null || exit 4"
expect 3 holdfast inspect stores/memory.jsonl

say "The nightly backup still runs: what is left is saved, marked suspect, and displaces nothing."
expect 3 holdfast backup --quiet --to backups stores/memory.jsonl
expect 0 holdfast list backups --name memory

say "Restore takes the newest good backup, not the newest one."
expect 0 holdfast restore backups --name memory --to recovered
expect 0 cmp recovered/memory.jsonl good.jsonl
expect 0 holdfast restore --quiet backups@2026-05-20 --name memory --to as-of-the-20th
expect 3 holdfast diff recovered/memory.jsonl stores/memory.jsonl

say "Back in place: what was there stays as an undo copy."
expect 0 holdfast restore backups --name coaia --to stores/coaia --overwrite always
expect 0 diff -r stores/coaia stores/coaia.undo-20260521T031500Z

say "A store that lost everything is refused, and no backup is made of it."
expect 0 truncate -s 0 stores/events.jsonl
expect 13 holdfast backup --quiet --to backups stores/events.jsonl

say "One flipped byte in an archive is found, and what still holds is named."
expect 0 "cp backups/memory-20260520T031500Z.tar.zst flipped.tar.zst && \
printf '\\377' | dd of=flipped.tar.zst bs=1 seek=1500 conv=notrunc status=none"
expect 12 holdfast verify flipped.tar.zst

say "Every store sample comes back byte for byte."
for store in coaia archive snapshot-v1.0 snapshot-v1.1 station; do
  expect 0 holdfast restore --quiet backups --name "$store" --to "out/$store"
  if [[ -d "$samples/intact/$store" ]]; then
    expect 0 diff -r "out/$store" "stores/$store"
  else
    expect 0 cmp "out/$store/$store.json" "stores/$store.json"
  fi
done
printf '\ndemo: everything was as expected\n'
