import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

extension SalvagePlan {
  /// Salvages all inputs and puts the output in place, all of it or nothing.
  /// - Parameter watch: is told of bytes as they are read.
  package func run(_ watch: (Int) -> Void = { _ in }) throws -> SalvageReport {
    let directory = try OutputDirectory(for: request.target)
    let ledger = try LedgerFile(in: directory, time: request.time)
    var report = SalvageReport(output: directory.target)
    report.skipped = skipped
    report.backup = request.backup
    var archives: [FilePath: ArchiveSalvage] = [:]
    for input in inputs where input.kind == .contentArchive && archives[input.top] == nil {
      archives[input.top] = ArchiveSalvage(in: directory)
    }
    for input in inputs {
      try withoutActuallyEscaping(watch) {
        try salvage(input, in: directory, ledger, archives[input.top], &report, $0)
      }
    }
    for (top, archive) in archives { try archive.finish(top: top) }
    for note in notes {
      let path = note.path.map { FilePath($0) } ?? request.paths[0]
      let sink = try PieceSink(
        InputReport(path: path, kind: "unread", size: 0), name: FilePath("unread"), ledger: ledger,
        in: directory)
      sink.note(note)
      report.inputs.append(try sink.finish())
    }
    if let backup = request.backup {
      var fill = FillIn(request, from: backup)
      fill.isSound = report.isWhole
      let isFile = try FileFacts(at: request.paths[0])?.kind != .directory
      if !request.contexts.isEmpty, !isFile {
        let contexts = request.contexts
        fill.elsewhere = PartialTree(try DiskTree(request.paths[0])) {
          MemoryGraph.context(of: $0.name).map { !contexts.contains($0) } ?? false
        }
      }
      let folder = directory.path(FilePath("recovered"))
      let isStoreFile = isFile && inputs.first?.kind != .backup
      try fill.run(isStoreFile ? folder.pushing(inputs[0].name) : folder, in: directory)
      report.filled.add(fill.filled)
      report.counts.merge(fill.counts, uniquingKeysWith: +)
    }
    try split(in: directory, &report)
    try ledger.close(report)
    if !request.isForRecovery { try RecoveryLog(report, at: request.time).write(in: directory) }
    try directory.publish()
    return report
  }

  /// Takes out what lies in other contexts than those asked for.
  private func split(in directory: OutputDirectory, _ report: inout SalvageReport) throws {
    guard !request.contexts.isEmpty else { return }
    let split = ContextSplit(contexts: request.contexts, directory: directory)
    for graph in report.graphs {
      do {
        let others = try split.run(graph.name)
        report.otherContexts += others.values.reduce(0, +)
        report.counts.merge(others, uniquingKeysWith: -)
      } catch var error as StoreError where error.code == .notFound {
        error.path = graph.path.string
        throw error
      }
    }
    report.counts = report.counts.filter { $0.value > 0 }
  }

  private func salvage(
    _ input: SalvageInput, in directory: OutputDirectory, _ ledger: LedgerFile,
    _ archive: ArchiveSalvage?, _ report: inout SalvageReport, _ watch: @escaping (Int) -> Void
  ) throws {
    let sink = try PieceSink(
      InputReport(path: input.path, kind: input.kind.rawValue, size: input.size),
      name: input.name, ledger: ledger, in: directory)
    var source = FileSource(try InputFile(opening: input.path))
    let stream = ByteStream { buffer, limit in
      let count = try source.read(into: &buffer, atMost: limit)
      watch(count)
      return count
    }
    sink.original = { offset, length in
      var bytes = ByteBuffer()
      let count = try InputFile(opening: input.path).read(at: offset, into: &bytes, atMost: length)
      guard count == length else {
        throw DiskError(.changed, "became shorter while it was read", path: input.path)
      }
      return bytes
    }
    if try SalvageInput.isBlank(input.path),
      try input.kind != .sqlite || !WriteAheadLog.exists(beside: input.path)
    {
      sink.note(
        Finding(
          input.role == .temporary ? .note : .error, .empty,
          "is empty: nothing of it can be recovered"))
    }
    let output = PendingFile(FilePath("recovered").pushing(input.name), in: directory)
    switch input.kind {
    case .memoryGraph:
      try text(.graph, output, sink).run(stream)
      // One that was named itself, not a file of a directory.
      if request.paths.contains(input.path) { report.graphs.append((input.path, input.name)) }
    case .jsonLines: try text(.lines, output, sink).run(stream)
    case .json: try DocumentSalvage(to: output, sink).run(stream)
    case .backup:
      let backup = BackupSalvage(input, request, in: directory)
      try backup.run(sink, watch)
      report.filled.add(backup.filled)
      report.graphs.append((input.path, backup.graph))
    case .sqlite:
      let script = FilePath("\(input.name).sql")
      func rows(_ folder: String) -> RowScript {
        RowScript(PendingFile(FilePath(folder).pushing(script), in: directory))
      }
      try DatabaseSalvage(
        input.path, size: input.size,
        to: directory.path(FilePath("recovered").pushing(input.name)),
        suspects: rows("irregular"), deleted: request.takesDeleted ? rows("deleted") : nil,
        irregular: directory.path(
          FilePath("irregular").pushing(input.name).removingLastComponent()), sink
      ).run()
    case .contentArchive: try archive?.take(input, stream, sink)
    case .intentSnapshot, .taskList:
      report.filled.add(try salvageSnapshot(input, stream, in: directory, sink))
    }
    report.inputs.append(try sink.finish())
    report.counts.merge(sink.recordCounts, uniquingKeysWith: +)
  }

  private func text(
    _ family: TextSalvage.Family, _ output: PendingFile, _ sink: PieceSink
  ) -> TextSalvage {
    let salvage = TextSalvage(family, to: output, sink)
    salvage.repairs = request.repairs
    return salvage
  }

  private func salvageSnapshot(
    _ input: SalvageInput, _ stream: ByteStream, in directory: OutputDirectory, _ sink: PieceSink
  ) throws -> FilledRecords {
    let survey = try SnapshotSalvage.survey(input.kind == .taskList ? TaskPlaces() : nil) {
      var source = FileSource(try InputFile(opening: input.path))
      return ByteStream { try source.read(into: &$0, atMost: $1) }
    }
    let folder = directory.path(FilePath("recovered").pushing(input.name).removingLastComponent())
    let name = FilePath(input.name.lastComponent?.string ?? "snapshot.json")
    let taker = try StoreTaker(
      input.kind == .taskList ? .taskList : .intentSnapshot, named: name, in: folder,
      time: request.time)
    let salvage = SnapshotSalvage(sink, to: taker, known: survey.known)
    salvage.versions = survey.versions
    salvage.places = survey.places
    salvage.looksInside = survey.looksInside
    salvage.isBroken = survey.isBroken
    salvage.intentParts = survey.intentParts
    salvage.seen = survey.seen
    try salvage.run(stream)
    try taker.finish()
    if salvage.isWhole, salvage.filled.count == 0, sink.isSound {
      // Nothing is wrong with it: then it stays as it is, frame and all.
      let copy = folder.appending("copy-of-\(name)")
      try Disk.copy(fileAt: input.path, to: copy)
      try Disk.rename(copy, to: folder.pushing(name), replacing: true)
    }
    return salvage.filled
  }
}
