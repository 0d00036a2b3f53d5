import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Several backups in one file, one behind the other.
extension BackupSalvage {
  /// Salvages each by itself, then fills in what the later ones have and those before them lack.
  /// Which of several states is wanted cannot be told: that there are several is an error.
  /// - Parameter starts: where those behind the first begin.
  func runEach(_ starts: [Int], _ sink: PieceSink) throws {
    let slices = directory.path(FilePath(".slices"))
    defer { try? Disk.remove(slices) }
    let bounds = [0] + starts + [input.size]
    for (index, start) in bounds.dropLast().enumerated() {
      let name = "backup-\(index + 1)"
      var part = input
      part.path = slices.appending(name).appending(input.path.lastComponent ?? "backup.tar")
      part.size = bounds[index + 1] - start
      let slice = try StagedFile(part.path)
      try write(try InputFile(opening: input.path), to: slice, from: start, count: part.size)
      try slice.close()
      guard index > 0 else {
        let first = BackupSalvage(part, request, in: directory, into: folder.string)
        try first.run(sink) { _ in }
        (manifest, counts, filled) = (first.manifest, first.counts, first.filled)
        let text =
          isNothing && starts.count == 1
          ? "holds a backup behind something else"
          : "holds \(isNothing ? starts.count : bounds.count - 1) backups, one behind the other: "
            + "what the first lacks is filled in from those behind it"
        sink.note(Finding(.error, .leftover, text))
        continue
      }
      part.top = input.top.appending(name)
      let later = BackupSalvage(part, request, in: directory, into: ".later")
      later.isLater = true
      try later.run(sink) { _ in }
      try fill(from: later, name, sink)
      try Disk.remove(directory.path(later.folder))
    }
  }

  /// Whether what has been read so far is no backup at all.
  private var isNothing: Bool { manifest == nil && counts.isEmpty }

  private func fill(from later: BackupSalvage, _ name: String, _ sink: PieceSink) throws {
    let store = directory.path(later.folder.pushing(later.graph))
    guard try FileFacts(at: store) != nil else { return }
    var isFilled = later.manifest?.kind == manifest?.kind
    if isFilled {
      var fill = FillIn(request, from: store)
      fill.origin = "\(name) of the same file"
      do { try fill.run(directory.path(folder.pushing(graph)), in: directory) } catch is StoreError
      {
        isFilled = false
      }
      filled.add(fill.filled)
      add(fill.counts, sink)
    }
    if isFilled { return }
    if isNothing, try FileFacts(at: target) == nil {
      try Disk.makeDirectory(target.removingLastComponent())
      try Disk.rename(later.target, to: target, replacing: false)
      manifest = later.manifest
      return add(later.counts, sink)
    }
    // Of another store: it has a place of its own.
    let place = FilePath("recovered").pushing(input.top).appending(name)
    try Disk.makeDirectory(directory.path(place).removingLastComponent())
    try Disk.rename(later.target, to: directory.path(place), replacing: false)
    add(later.counts, sink)
    sink.note(Finding(.warning, .leftover, "one of them is of another store: it is in \(place)"))
  }

  private func add(_ more: [RecordKind: Int], _ sink: PieceSink) {
    counts.merge(more, uniquingKeysWith: +)
    for (kind, count) in more { sink.count(kind, count) }
    sink.creditAll(more.values.reduce(0, +))
  }
}
