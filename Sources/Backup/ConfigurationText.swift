import LosslessJSON

/// The part of TOML that configurations need: tables, dotted and quoted keys, strings of one line,
/// integers, booleans and arrays. Whatever else TOML has is refused by name, and so is everything
/// that TOML itself refuses; nothing is passed over.
struct ConfigurationText {
  indirect enum Value: Equatable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([Value])

    /// As an error names it.
    var kind: String {
      switch self {
      case .text: "a string"
      case .number: "a number"
      case .flag: "true or false"
      case .list: "an array"
      }
    }
  }

  struct Entry: Equatable {
    /// The table's name and the key, part by part.
    var path: [String]
    var value: Value
    /// Counted from 1.
    var line: Int
    /// Of the key, in bytes.
    var offset: Int
  }

  struct Table: Equatable {
    var path: [String]
    var line: Int
    var offset: Int
  }

  struct Failure: Error, Equatable {
    var message: String
    var line: Int
    var offset: Int
  }

  private(set) var entries: [Entry] = []
  /// The tables that have a header of their own.
  private(set) var tables: [Table] = []

  /// - Parameter bytes: the whole file, UTF-8.
  init(_ bytes: [UInt8]) throws(Failure) {
    var parser = ConfigurationParser(bytes)
    var table: [String] = []
    while true {
      try parser.skipBlank()
      guard let byte = parser.next else { break }
      let (line, offset) = (parser.line, parser.at)
      if byte == 0x5B {
        table = try parser.header()
        let path = table
        guard !tables.contains(where: { $0.path == path }) else {
          throw Failure(
            message: "the table \(Self.text(path)) is there twice", line: line, offset: offset)
        }
        tables.append(Table(path: path, line: line, offset: offset))
        continue
      }
      let path = table + (try parser.key())
      try parser.take(0x3D, "an = behind the key")
      parser.skipSpace()
      let value = try parser.value()
      try parser.endOfLine()
      entries.append(Entry(path: path, value: value, line: line, offset: offset))
    }
    try checkNames()
  }

  static func text(_ path: [String]) -> String { path.joined(separator: ".") }

  /// No key twice, and no key that is a table as well.
  private func checkNames() throws(Failure) {
    var seen: Set<[String]> = []
    for entry in entries {
      guard seen.insert(entry.path).inserted else {
        throw Failure(
          message: "the key \(Self.text(entry.path)) is there twice", line: entry.line,
          offset: entry.offset)
      }
    }
    for entry in entries {
      let isTable =
        tables.contains { $0.path.starts(with: entry.path) }
        || entries.contains {
          $0.path.count > entry.path.count && $0.path.starts(with: entry.path)
        }
      guard !isTable else {
        throw Failure(
          message: "\(Self.text(entry.path)) is a key and a table", line: entry.line,
          offset: entry.offset)
      }
    }
  }
}
