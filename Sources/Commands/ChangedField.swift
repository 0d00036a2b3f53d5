import LosslessJSON
import Records

/// A changed field for people: pointer, old and new value, long ones shortened to the part in
/// which they differ.
struct ChangedField {
  let line: String

  /// Characters of a value that are shown.
  private static let width = 60
  /// Characters before the first difference.
  private static let lead = 15

  init(_ change: FieldChange) {
    let pointer = change.pointer.isEmpty ? "(all)" : String(decoding: change.pointer, as: UTF8.self)
    let before = change.before.map { Array(String(decoding: $0, as: UTF8.self).unicodeScalars) }
    let after = change.after.map { Array(String(decoding: $0, as: UTF8.self).unicodeScalars) }
    var text: String
    switch (before, after) {
    case (let before?, let after?):
      let start = zip(before, after).prefix { $0 == $1 }.count
      text = Self.shorten(before, from: start) + " -> " + Self.shorten(after, from: start)
    case (let before?, nil): text = "\(Self.shorten(before, from: 0)) removed"
    case (nil, let after?): text = "\(Self.shorten(after, from: 0)) added"
    default: text = ""
    }
    text = "    \(pointer)  \(text)"
    line = printable(text)
  }

  private static func shorten(_ text: [Unicode.Scalar], from start: Int) -> String {
    guard text.count > width else { return string(text[...]) }
    let first = min(max(0, start - lead), text.count - width)
    let last = first + width
    return (first > 0 ? "…" : "") + string(text[first..<last]) + (last < text.count ? "…" : "")
  }

  private static func string(_ text: ArraySlice<Unicode.Scalar>) -> String {
    var out = String.UnicodeScalarView()
    out.append(contentsOf: text)
    return String(out)
  }
}
