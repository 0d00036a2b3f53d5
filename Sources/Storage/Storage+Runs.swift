import LosslessJSON
import Records

extension Storage: RunStorage {
  /// The most runs that a list gives, and how many it gives where nothing is said.
  static let runLimits = (most: 100, usual: 20)

  public func saveRun(_ plan: PlanResult, execution: String?) throws(StorageError) -> String {
    for json in [plan.json, execution].compactMap({ $0 }) {
      do throws(JSONError) { _ = try JSONText(Array(json.utf8).span) } catch {
        throw StorageError(error)
      }
    }
    let id = Identifier.uuid()
    var text = RecordText()
    text.set("run_id", id)
    text.set("plan_id", plan.planID)
    text.set("objective", plan.objective)
    text.set("plan_result", plan.json)
    if let execution {
      text.set("execution_result", execution)
    } else {
      text["execution_result"] = RecordText.null
    }
    text.set("created_at", configuration.now())
    try update { [.put(StoredRecord(RecordName(.run, id), text))] }
    return id
  }

  public func run(_ id: String) throws(StorageError) -> Run {
    guard let text = try find(RecordName(.run, id)) else { throw missing("run \(id)") }
    return try Run(text: text)
  }

  public func listRuns(limit: Int?, offset: Int) throws(StorageError) -> [RunSummary] {
    let wanted = limit ?? Self.runLimits.usual
    guard wanted > 0, offset >= 0 else {
      throw StorageError(.invalid, "a list has at least one run, and starts at 0 or behind it")
    }
    return try told {
      try backend.newestRuns(limit: min(wanted, Self.runLimits.most), offset: offset)
        .compactMap { text in
          value(StoredRecord(RecordName(.run, text.string("run_id") ?? ""), text)) {
            record throws(StorageError) in try Run(text: record.text).summary
          }
        }
    }
  }
}

/// Ids of our own making.
enum Identifier {
  /// A random UUID (RFC 9562, version 4).
  static func uuid() -> String {
    var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }
}
