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
    for input in inputs {
      let (account, counts) = try withoutActuallyEscaping(watch) {
        try salvage(input, in: directory, ledger, $0)
      }
      report.inputs.append(account)
      report.counts.merge(counts, uniquingKeysWith: +)
    }
    try ledger.close(counts: report.counts, filled: report.filled)
    try RecoveryLog(report, request, skipped: skipped).write(in: directory)
    try directory.publish()
    return report
  }

  private func salvage(
    _ input: SalvageInput, in directory: OutputDirectory, _ ledger: LedgerFile,
    _ watch: @escaping (Int) -> Void
  ) throws -> (InputReport, [RecordKind: Int]) {
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
    if input.size == 0 {
      sink.note(Finding(.error, .empty, "is empty: nothing of it can be recovered"))
    }
    let output = PendingFile(FilePath("recovered").pushing(input.name), in: directory)
    switch input.kind {
    case .memoryGraph: try TextSalvage(.graph, to: output, sink).run(stream)
    case .jsonLines: try TextSalvage(.lines, to: output, sink).run(stream)
    case .json: try DocumentSalvage(to: output, sink).run(stream)
    }
    return (try sink.finish(), sink.recordCounts)
  }
}
