import LosslessJSON
import Records
import SystemPackage

/// `ledger.json`, written range by range while the inputs are read, so that it may be longer than
/// the memory.
final class LedgerFile {
  private let file: PendingFile
  private var hasRange = false
  private var hasInput = false

  init(in directory: OutputDirectory, time: Int) throws {
    file = PendingFile(FilePath("ledger.json"), in: directory)
    try text("{\n  \"schema\": \"holdfast.ledger/1\",\n  \"time\": ")
    try value { $0.value(ISOTime(seconds: time).text) }
    try text(",\n  \"inputs\": [")
  }

  private func text(_ text: StaticString) throws {
    try file.write { $0.append(text) }
  }

  private func value(_ body: (inout JSONBuilder) -> Void) throws {
    var builder = JSONBuilder(pretty: false)
    body(&builder)
    try file.append(builder.bytes.span)
  }

  func beginInput(path: [UInt8], kind: String, size: Int) throws {
    try text(hasInput ? ",\n    {\"path\": " : "\n    {\"path\": ")
    hasInput = true
    hasRange = false
    try value { $0.value(path: path) }
    try text(", \"kind\": ")
    try value { $0.value(kind) }
    try text(", \"bytes\": ")
    try value { $0.value(size) }
    try text(",\n     \"ranges\": [")
  }

  func add(_ range: LedgerRange) throws {
    try text(hasRange ? ",\n      " : "\n      ")
    hasRange = true
    try value { builder in
      builder.object {
        $0.member("offset", range.offset)
        $0.member("length", range.length)
        $0.member("fate", range.fate.rawValue)
        if range.fate != .insignificant {
          if range.records > 0 { $0.member("records", range.records) }
          if range.insignificant > 0 { $0.member("insignificant", range.insignificant) }
          $0.member("line", ifPresent: range.line)
          $0.member("shape", ifPresent: range.shape?.rawValue)
          $0.member("reason", ifPresent: range.reason)
          $0.member("file", ifPresent: range.file)
          $0.member("repair", ifPresent: range.repair?.done)
          $0.member("repaired", ifPresent: range.repair?.file)
        }
      }
    }
  }

  /// Ends an input with its totals and what else is to be said of it.
  func endInput(_ report: InputReport) throws {
    try text(hasRange ? "\n     ],\n     \"totals\": " : "],\n     \"totals\": ")
    try value { builder in builder.object { report.encodeTally(to: &$0) } }
    try text(",\n     \"notes\": ")
    try value { builder in
      builder.array(of: report.notes) { builder, note in
        builder.object {
          $0.member("code", note.code.rawValue)
          $0.member("message", note.message)
          $0.member("line", ifPresent: note.line)
          $0.member("offset", ifPresent: note.offset)
          $0.member("record", ifPresent: note.record)
        }
      }
    }
    try text("}")
  }

  func close(_ report: SalvageReport) throws {
    let (counts, filled) = (report.counts, report.filled)
    try text("\n  ],\n  \"filled\": ")
    try value { builder in
      builder.array(of: filled.named) { builder, record in record.encode(to: &builder) }
    }
    if filled.leftOut > 0 {
      try text(",\n  \"filled_left_out\": ")
      try value { $0.value(filled.leftOut) }
    }
    try text(",\n  \"counts\": ")
    try value { builder in
      builder.object {
        for kind in RecordKind.allCases { $0.member(kind.rawValue, ifPresent: counts[kind]) }
      }
    }
    if report.otherContexts > 0 {
      try text(",\n  \"other_contexts\": ")
      try value { $0.value(report.otherContexts) }
    }
    try text("\n}\n")
    try file.close()
  }
}
