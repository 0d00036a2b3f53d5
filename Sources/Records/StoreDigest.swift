/// Gathers the canonical hashes of a store's records into its digest: SHA-256 over all of them,
/// bytewise sorted, duplicates repeated. Holds 32 bytes a record, whatever the order and shape.
package struct StoreDigest: Sendable {
  /// By the first byte of the hash, so that no array ever doubles as a whole.
  private var buckets = [[Hash256]](repeating: [], count: 256)
  package private(set) var count = 0

  package init() {}

  package mutating func insert(_ hash: Hash256) {
    buckets[Int(hash.a >> 56)].append(hash)
    count += 1
  }

  /// The digest of what was inserted. Sorts in place; inserting may go on afterwards.
  package mutating func finish() -> Hash256 {
    var hasher = Hasher256()
    for bucket in buckets.indices {
      buckets[bucket].sort()
      hasher.update(buckets[bucket])
    }
    return hasher.finish()
  }

  /// The hashes that only this or only the other holds, repeated as often as they differ.
  package mutating func difference(
    from other: inout StoreDigest
  ) -> (onlyHere: [Hash256], onlyThere: [Hash256]) {
    var here: [Hash256] = []
    var there: [Hash256] = []
    for bucket in buckets.indices {
      buckets[bucket].sort()
      other.buckets[bucket].sort()
      let mine = buckets[bucket]
      let theirs = other.buckets[bucket]
      var (i, j) = (0, 0)
      while i < mine.count || j < theirs.count {
        if j == theirs.count || (i < mine.count && mine[i] < theirs[j]) {
          here.append(mine[i])
          i += 1
        } else if i == mine.count || theirs[j] < mine[i] {
          there.append(theirs[j])
          j += 1
        } else {
          (i, j) = (i + 1, j + 1)
        }
      }
    }
    return (here, there)
  }
}
