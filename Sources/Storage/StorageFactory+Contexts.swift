import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Contexts of a graph of one file, which a storage takes for one: its records tell them apart.
extension StorageFactory {
  /// What tells the contexts of the store at `path` apart where that is a memory graph of one file, or
  /// is to become one; nil for any other store.
  package static func router(_ path: FilePath, kind: String?) throws(StorageError)
    -> ContextRouter?
  {
    do {
      guard try FileFacts(at: path) != nil else {
        return kind == StoreFormat.memoryGraph.name ? ContextRouter() : nil
      }
      let store = try OpenedStore(opening: path, formats: formats, kind: kind)
      guard store.backup == nil, store.tree.isSingleFile,
        store.format.name == StoreFormat.memoryGraph.name
      else { return nil }
      return try ContextRouter(reading: store.tree, as: store.format)
    } catch { throw StorageError(error, path: path.string) }
  }
}

extension ContextRouter {
  /// The context that a record would be in, `default` for the default one.
  package func name(of text: RecordText) -> String {
    var record = Record()
    guard (try? record.text.parse(text.bytes.span)) != nil else { return "default" }
    record.kind = MemoryGraph.kind(of: record.text)
    return String(decoding: name(of: record), as: UTF8.self)
  }
}
