import LosslessJSON
import Records
import Snapshot
import Stores

/// One reading of a whole store, such that a second one can be told to have been of the same.
struct StoreReading {
  let survey: Survey
  /// Of all records' canonical hashes in their order.
  let sequence: Hash256

  /// - Parameter options: those of the backup count where the store lies in one.
  init(
    of store: OpenedStore, _ options: ReadOptions,
    _ body: @escaping (inout Record, Hash256) throws -> Void
  ) throws {
    var options = options
    if let backup = store.backup, let pointer = backup.manifest.idField {
      options.idField = JSONPointer(pointer) ?? options.idField
    }
    survey = Survey(rules: false)
    store.tree.notes.forEach(survey.note)
    var hashes = Hasher256()
    var bytes = ByteBuffer()
    survey.onRecord = { record, hash in
      try body(&record, hash)
      bytes.removeAll()
      bytes.append(hash)
      hashes.update(bytes.span)
    }
    try store.format.read(store.tree, options, survey)
    try survey.finish()
    sequence = hashes.finish()
  }
}
