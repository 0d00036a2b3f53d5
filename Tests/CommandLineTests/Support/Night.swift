import Testing

/// Nights of a store, for what depends on the time of backups.
enum Night {
  /// 2026-11-01T03:15:00Z.
  static let first = 1_793_502_900
  static let day = 86_400

  /// The setting of a run at 03:15 of the n-th night, from 0.
  static func setting(_ night: Int, _ more: [String: String] = [:]) -> Child.Setting {
    var setting = Child.Setting()
    setting.environment = ["SOURCE_DATE_EPOCH": String(first + night * day)]
    setting.environment.merge(more) { $1 }
    return setting
  }
}

extension Scratch {
  /// Writes a graph of that many entities.
  @discardableResult func graph(_ count: Int, to name: String = "memory.jsonl") throws -> String {
    try write(SampleRecords.lines((0..<count).map(SampleRecords.entity), last: "\n"), to: name)
  }

  /// A verified backup of ten records for each night.
  @discardableResult func nights(_ nights: Range<Int>, to repository: String? = nil) throws
    -> [String]
  {
    let store = try graph(10)
    return try nights.map {
      try backUp(store, to: repository, time: Night.first + $0 * Night.day)
    }
  }

  /// Archives in a directory, sorted.
  func archives(_ directory: String) throws -> [String] {
    try TestFile.names(directory).filter { $0.contains(".tar") && !$0.hasPrefix(".") }.sorted()
  }

  /// Content of every archive and manifest in a directory, by name.
  func bytes(_ directory: String) throws -> [String: [UInt8]] {
    try TestFile.names(directory).filter { !$0.hasPrefix(".") }.reduce(into: [:]) {
      $0[$1] = try TestFile.read("\(directory)/\($1)")
    }
  }
}
