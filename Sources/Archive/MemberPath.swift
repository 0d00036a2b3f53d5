/// The name of an archive member, proven to stay inside the directory it is unpacked into.
///
/// Names are bytes: they need not be UTF-8, and `\` is a character like any other.
package struct MemberPath: Sendable, Hashable {
  /// At least one; none empty, `.`, `..`, or with a NUL or `/` in it.
  package let components: [[UInt8]]

  /// Takes a name apart. Empty and `.` components are dropped (`./a//b/` is `a/b`); throws
  /// `unsafePath` for a name that is empty, absolute, has a `..` or a NUL, or names no more
  /// than the directory itself.
  package init(_ name: [UInt8]) throws(ArchiveError) {
    func refusal(_ reason: String) -> ArchiveError {
      ArchiveError(.unsafePath, "the name \(reason)", member: name)
    }
    if name.isEmpty { throw refusal("is empty") }
    if name.contains(0) { throw refusal("holds a NUL byte") }
    let slash = UInt8(ascii: "/")
    let dot = UInt8(ascii: ".")
    if name[0] == slash { throw refusal("is absolute") }
    var components: [[UInt8]] = []
    for part in name.split(separator: slash) {
      if part.count == 1, part.first == dot { continue }
      if part.count == 2, part.allSatisfy({ $0 == dot }) { throw refusal("climbs out with '..'") }
      components.append(Array(part))
    }
    if components.isEmpty { throw refusal("names no file") }
    self.components = components
  }

  /// The components, joined by `/`.
  package var bytes: [UInt8] { Array(components.joined(separator: [UInt8(ascii: "/")])) }

  /// A name for a person to read on one line: what is not printable UTF-8 becomes `\xNN`.
  package static func printable(_ name: [UInt8]) -> String {
    if let text = String(validating: name, as: UTF8.self),
      text.unicodeScalars.allSatisfy({ isPrintable($0.properties.generalCategory) })
    {
      return text
    }
    return name.map { byte in
      if (0x20..<0x7F).contains(byte) { return String(UnicodeScalar(byte)) }
      return "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }

  private static func isPrintable(_ category: Unicode.GeneralCategory) -> Bool {
    switch category {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse,
      .surrogate:
      false
    default: true
    }
  }
}
