import LosslessJSON
import Records

/// Which records are wanted: `KIND` or `KIND:GLOB`, any of several.
package struct Selection: Sendable {
  fileprivate struct Term: Sendable {
    /// As it was written.
    var text: String
    var kind: RecordKind
    var glob: [UInt8]?
  }

  fileprivate let terms: [Term]

  package var isEmpty: Bool { terms.isEmpty }

  /// Throws `usage` for an unknown kind.
  package init(_ texts: [String]) throws(BackupError) {
    var terms: [Term] = []
    for text in texts {
      let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard let kind = RecordKind(rawValue: String(parts[0])) else {
        throw BackupError(
          .usage, "there is no kind of record called \(parts[0])",
          hint: "use one of \(RecordKind.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      let glob = parts.count > 1 ? Array(parts[1].utf8) : nil
      terms.append(Term(text: text, kind: kind, glob: glob))
    }
    self.terms = terms
  }

  /// Whether records of this kind are asked for at all.
  package func mayContain(_ kind: RecordKind) -> Bool { terms.contains { $0.kind == kind } }

  package func contains(_ record: borrowing Record) -> Bool {
    var id: [UInt8]?
    for term in terms where term.kind == record.kind {
      guard let glob = term.glob else { return true }
      if id == nil {
        var bytes = ByteBuffer()
        record.appendID(to: &bytes)
        id = bytes.array
      }
      if let id, Self.matches(id, glob) { return true }
    }
    return false
  }

  fileprivate static func matches(_ record: borrowing Record, _ term: Term) -> Bool {
    guard term.kind == record.kind else { return false }
    guard let glob = term.glob else { return true }
    var bytes = ByteBuffer()
    record.appendID(to: &bytes)
    return matches(bytes.array, glob)
  }

  /// `*` stands for any bytes, `?` for one character, `\` takes the next one literally.
  /// Linear in memory, no recursion.
  static func matches(_ text: [UInt8], _ glob: [UInt8]) -> Bool {
    var (t, g) = (0, 0)
    var star: (glob: Int, text: Int)?
    while t < text.count {
      if g < glob.count, glob[g] == 0x2A {
        star = (g + 1, t)
        g += 1
      } else if g < glob.count, glob[g] == 0x3F {
        t += 1
        while t < text.count, text[t] & 0xC0 == 0x80 { t += 1 }
        g += 1
      } else if g + 1 < glob.count, glob[g] == 0x5C, glob[g + 1] == text[t] {
        (t, g) = (t + 1, g + 2)
      } else if g < glob.count, glob[g] != 0x5C, glob[g] == text[t] {
        (t, g) = (t + 1, g + 1)
      } else if let last = star {
        star = (last.glob, last.text + 1)
        (t, g) = (last.text + 1, last.glob)
      } else {
        return false
      }
    }
    return glob[g...].allSatisfy { $0 == 0x2A }
  }
}

/// A selection in use, which knows the parts of it that have selected nothing so far.
package final class SelectionTally {
  package let selection: Selection
  private var isOpen: [Bool]
  private var openCount: Int

  package init(_ selection: Selection) {
    self.selection = selection
    isOpen = [Bool](repeating: true, count: selection.terms.count)
    openCount = isOpen.count
  }

  package func contains(_ record: borrowing Record) -> Bool {
    guard openCount > 0 else { return selection.contains(record) }
    var found = false
    for (index, term) in selection.terms.enumerated() where isOpen[index] || !found {
      guard Selection.matches(record, term) else { continue }
      found = true
      guard isOpen[index] else { continue }
      isOpen[index] = false
      openCount -= 1
    }
    return found
  }

  /// `KIND[:GLOB]` of the parts that have selected nothing.
  package var unmatched: [String] {
    zip(selection.terms, isOpen).filter(\.1).map(\.0.text)
  }
}
