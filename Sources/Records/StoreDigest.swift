/// Gathers the canonical hashes of a store's records into its digest: SHA-256 over all of them,
/// bytewise sorted, duplicates repeated. Holds 32 bytes a record, whatever the order and shape.
package struct StoreDigest: Sendable {
  /// By the first byte of the hash.
  private var buckets = [Bucket](repeating: Bucket(), count: 256)
  package private(set) var count = 0

  /// Hashes in pieces of a fixed size, so that growing neither copies them nor leaves holes.
  private struct Bucket: Sendable {
    static let pieceSize = 256
    var pieces: [[Hash256]] = [[]]

    mutating func append(_ hash: Hash256) {
      if pieces[pieces.count - 1].count >= Self.pieceSize {
        var next: [Hash256] = []
        next.reserveCapacity(Self.pieceSize)
        pieces.append(next)
      }
      pieces[pieces.count - 1].append(hash)
    }

    func sorted() -> [Hash256] {
      var all: [Hash256] = []
      all.reserveCapacity(pieces.reduce(0) { $0 + $1.count })
      for piece in pieces { all += piece }
      all.sort()
      return all
    }
  }

  package init() {}

  package mutating func insert(_ hash: Hash256) {
    buckets[Int(hash.a >> 56)].append(hash)
    count += 1
  }

  /// The digest of what was inserted. Inserting may go on afterwards.
  package func finish() -> Hash256 {
    var hasher = Hasher256()
    for bucket in buckets { hasher.update(bucket.sorted()) }
    return hasher.finish()
  }

  /// The hashes that only this or only the other holds, repeated as often as they differ.
  package func difference(
    from other: StoreDigest
  ) -> (onlyHere: [Hash256], onlyThere: [Hash256]) {
    var here: [Hash256] = []
    var there: [Hash256] = []
    for (mine, theirs) in zip(buckets, other.buckets) {
      let (mine, theirs) = (mine.sorted(), theirs.sorted())
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
