import Records

/// Reads the JSON and the RTFS text of a backup to the end before anything is written, to know
/// which records they have.
final class EncodingWitness: RecordTaker {
  private var hashes: [EncodingUnion.Encoding: [Hash256: Int]] = [:]
  private var ids: [EncodingUnion.Encoding: [SalvagedID: Hash256]] = [:]

  func take(_ record: inout Record, isFromRTFS: Bool) throws {
    take(&record, in: isFromRTFS ? .rtfs : .json)
  }

  func take(_ record: inout Record, in encoding: EncodingUnion.Encoding) {
    let hash = record.canonicalHash()
    hashes[encoding, default: [:]][hash, default: 0] += 1
    ids[encoding, default: [:]][SalvagedID(&record)] = hash
  }

  /// How often the encoding has each record.
  func records(in encoding: EncodingUnion.Encoding) -> [Hash256: Int] { hashes[encoding] ?? [:] }

  /// Records that are all of the store's and no others: their digest is the one in the manifest.
  struct Proof {
    /// The encoding that has them all; nil where only several together do.
    var encoding: EncodingUnion.Encoding?
    var records: [Hash256: Int]
  }

  /// Nil where neither an encoding nor what several have together comes to the digest.
  func proof(_ digest: Hash256) -> Proof? {
    let encodings: [EncodingUnion.Encoding] = [.json, .rtfs, .verbatim]
    for encoding in encodings where Self.digest(records(in: encoding)) == digest {
      return Proof(encoding: encoding, records: records(in: encoding))
    }
    // What any has, as often as the one that has it most often; and what two agree on.
    var any: [Hash256: Int] = [:]
    var agreed: [Hash256: Int] = [:]
    for (position, encoding) in encodings.enumerated() {
      for (hash, count) in records(in: encoding) {
        any[hash] = max(any[hash] ?? 0, count)
        for other in encodings.dropFirst(position + 1) {
          let both = min(count, records(in: other)[hash] ?? 0)
          if both > 0 { agreed[hash] = max(agreed[hash] ?? 0, both) }
        }
      }
    }
    let found = [agreed, any].first { Self.digest($0) == digest }
    return found.map { Proof(encoding: nil, records: $0) }
  }

  private static func digest(_ records: [Hash256: Int]) -> Hash256 {
    var digest = StoreDigest()
    for (hash, count) in records {
      for _ in 0..<count { digest.insert(hash) }
    }
    return digest.finish()
  }

  /// Whether an encoding has a record that one in front of it lacks.
  var disagrees: Bool {
    let pairs: [(EncodingUnion.Encoding, EncodingUnion.Encoding)] = [
      (.json, .rtfs), (.json, .verbatim), (.rtfs, .verbatim),
    ]
    return pairs.contains { first, second in
      let known = records(in: first)
      return !known.isEmpty && records(in: second).keys.contains { known[$0] == nil }
    }
  }

  /// Whether the JSON and the RTFS text agree on the record, and on another content than `hash`.
  func outvotes(_ id: SalvagedID, _ hash: Hash256) -> Bool {
    guard let json = ids[.json]?[id], let rtfs = ids[.rtfs]?[id], json == rtfs else { return false }
    return json != hash && records(in: .json)[hash] == nil && records(in: .rtfs)[hash] == nil
  }
}
