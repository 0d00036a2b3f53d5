/// Values as SQL spells them.
enum SQLText {
  /// A value, exactly.
  static func literal(_ value: PageValue) -> String {
    switch value {
    case .null: return "NULL"
    case .integer(let number): return String(number)
    case .real(let number):
      if number.isInfinite { return number < 0 ? "-9e999" : "9e999" }
      return number.isNaN ? "NULL" : "\(number)"
    case .text(let bytes):
      guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
        return "CAST(\(hex(bytes)) AS TEXT)"
      }
      var out = "'"
      for scalar in text.unicodeScalars {
        if scalar == "'" { out += "'" }
        out.unicodeScalars.append(scalar)
      }
      return out + "'"
    case .blob(let bytes): return hex(bytes)
    }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    "X'" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "'"
  }
}
