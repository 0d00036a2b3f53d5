import Dispatch
import Synchronization

/// Gathers the canonical hashes of a store's records into its digest: SHA-256 over all of them,
/// bytewise sorted, duplicates repeated. Holds 32 bytes a record, whatever the order and shape.
package struct StoreDigest: Sendable {
  /// By the first byte of the hash.
  private var buckets = [Bucket](repeating: Bucket(), count: 256)
  package private(set) var count = 0

  /// Hashes in pieces of a fixed size, so that growing neither copies them nor leaves holes.
  private struct Bucket: Sendable {
    static let pieceSize = 256
    private var full: [[Hash256]] = []
    private var last: [Hash256] = []

    @inline(__always)
    mutating func append(_ hash: Hash256) {
      if last.count == Self.pieceSize { begin() }
      last.append(hash)
    }

    private mutating func begin() {
      full.append(last)
      last = []
      last.reserveCapacity(Self.pieceSize)
    }

    func sorted() -> [Hash256] {
      var all: [Hash256] = []
      all.reserveCapacity(full.count * Self.pieceSize + last.count)
      for piece in full { all += piece }
      all += last
      all.sort()
      return all
    }
  }

  package init() {}

  package mutating func insert(_ hash: Hash256) { insert([hash]) }

  package mutating func insert(_ hashes: [Hash256]) {
    for hash in hashes { buckets[Int(hash.a >> 56)].append(hash) }
    count += hashes.count
  }

  /// Inserts all that `other` holds.
  package mutating func insert(contentsOf other: StoreDigest) {
    for bucket in other.buckets { insert(bucket.sorted()) }
  }

  /// The digest of what was inserted. Inserting may go on afterwards.
  package func finish() -> Hash256 {
    var hasher = Hasher256()
    // Sorted a stretch of buckets at a time, on all cores: all at once would double the memory.
    for start in stride(from: 0, to: buckets.count, by: Self.stretch) {
      let sorted = Mutex([[Hash256]](repeating: [], count: Self.stretch))
      DispatchQueue.concurrentPerform(iterations: Self.stretch) { index in
        let bucket = buckets[start + index].sorted()
        sorted.withLock { $0[index] = bucket }
      }
      for bucket in sorted.withLock({ $0 }) { hasher.update(bucket) }
    }
    return hasher.finish()
  }

  private static let stretch = 16

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
