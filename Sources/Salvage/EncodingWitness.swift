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

  /// An encoding whose records are all of the store's and no others: their digest is the one in
  /// the manifest.
  func proven(_ digest: Hash256) -> EncodingUnion.Encoding? {
    [.json, .rtfs, .verbatim].first { encoding in
      var found = StoreDigest()
      for (hash, count) in records(in: encoding) {
        for _ in 0..<count { found.insert(hash) }
      }
      return found.finish() == digest
    }
  }

  /// Whether the JSON and the RTFS text agree on the record, and on another content than `hash`.
  func outvotes(_ id: SalvagedID, _ hash: Hash256) -> Bool {
    guard let json = ids[.json]?[id], let rtfs = ids[.rtfs]?[id], json == rtfs else { return false }
    return json != hash && records(in: .json)[hash] == nil && records(in: .rtfs)[hash] == nil
  }
}
