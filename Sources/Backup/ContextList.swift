import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// The contexts of a memory graph: what each holds, how large it is, and when it changed last.
package struct ContextList {
  package struct Context: Sendable {
    package var name: String
    /// The file, as the user would type it; that of the whole graph where it has only one.
    package var path: String
    package var counts: [RecordKind: Int] = [:]
    /// Of the file; in a graph of one file, of the records.
    package var bytes: Int
    /// Of the file; in a graph of one file, and in a database, what the records say. Nil where they do not say.
    package var changed: ISOTime?

    package var records: Int { counts.values.reduce(0, +) }
  }

  /// The default context first, then by name.
  package private(set) var contexts: [Context] = []
  package let isSingleFile: Bool
  package let findings: FindingLog

  /// Reads the whole graph. Throws `refused` for what is none.
  package init(_ named: OpenedStore, options: ReadOptions = ReadOptions()) throws {
    let store = try named.keptStore()
    guard store.format.name == StoreFormat.memoryGraph.name else {
      throw BackupError(
        .refused, "is of the kind \(store.format.name), and only memory graphs have contexts",
        path: store.path.string, hint: "name a .coaia directory, or a memory file")
    }
    isSingleFile = store.tree.isSingleFile
    let found = Found(store, hasTimes: named.format.kept == nil)
    if isSingleFile {
      _ = try StoreReading(of: store, options) { record, _ in found.router.observe(record) }
    }
    let reading = try StoreReading(of: store, options) { record, _ in found.take(&record) }
    findings = reading.survey.log
    contexts = found.contexts.sorted { a, b in
      if (a.name == "default") != (b.name == "default") { return a.name == "default" }
      return Array(a.name.utf8).lexicographicallyPrecedes(Array(b.name.utf8))
    }
  }

  private final class Found {
    var router = ContextRouter()
    private(set) var contexts: [Context] = []
    /// By file, or by name in a graph of one file.
    private var places: [Int: Int] = [:]
    private var names: [[UInt8]: Int] = [:]
    private let isSingleFile: Bool
    private let path: String
    private let hasTimes: Bool

    /// - Parameter hasTimes: whether it is known when the files were changed.
    init(_ store: OpenedStore, hasTimes: Bool) {
      self.hasTimes = hasTimes
      isSingleFile = store.tree.isSingleFile
      path = store.tree.files.isEmpty ? store.path.string : store.tree.displayPath(0)
      guard !isSingleFile else { return }
      for (index, file) in store.tree.files.enumerated() {
        guard let name = MemoryGraph.context(of: file.name), !file.isDirectory else { continue }
        places[index] = contexts.count
        contexts.append(
          Context(
            name: name, path: store.tree.displayPath(index), bytes: file.size,
            changed: hasTimes
              ? ISOTime(seconds: file.modifiedSeconds, nanoseconds: file.modifiedNanoseconds)
              : nil))
      }
    }

    func take(_ record: inout Record) {
      guard isSingleFile else {
        if let place = places[record.place.file] {
          contexts[place].counts[record.kind, default: 0] += 1
          if !hasTimes { note(record.logged, at: place) }
        }
        return
      }
      let name = router.name(of: record)
      let place = names[name] ?? contexts.count
      if place == contexts.count {
        names[name] = place
        contexts.append(Context(name: String(decoding: name, as: UTF8.self), path: path, bytes: 0))
      }
      contexts[place].counts[record.kind, default: 0] += 1
      contexts[place].bytes += record.place.length
      note(record.logged, at: place)
    }

    private func note(_ time: ISOTime?, at place: Int) {
      guard let time else { return }
      contexts[place].changed = max(contexts[place].changed ?? time, time)
    }
  }
}
