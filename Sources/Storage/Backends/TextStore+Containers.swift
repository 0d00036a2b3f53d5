import Database
import LosslessJSON
import Records
import SystemPackage

/// Records that are elements of arrays, or members of objects.
extension TextStore {
  func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }

  /// Where the element of a container starts whose value starts at `offset`: its key, in an object.
  func elementStart(_ offset: Int) -> Int {
    var at = offset
    while at > 0, isSpace(bytes[at - 1]) { at -= 1 }
    guard at > 0, bytes[at - 1] == 0x3A else { return offset }
    at -= 1
    while at > 0, isSpace(bytes[at - 1]) { at -= 1 }
    guard at > 0, bytes[at - 1] == 0x22 else { return offset }
    at -= 1
    // Back to the quote that opens the key: the last one that nothing escapes.
    while at > 0 {
      at -= 1
      guard bytes[at] == 0x22 else { continue }
      var slashes = 0
      while at - slashes > 0, bytes[at - slashes - 1] == 0x5C { slashes += 1 }
      if slashes % 2 == 0 { return at }
    }
    return offset
  }

  /// The white space in front of an offset.
  func lead(before offset: Int) -> [UInt8] {
    var start = offset
    while start > 0, isSpace(bytes[start - 1]) { start -= 1 }
    return (start..<offset).map { bytes[$0] }
  }

  /// Whether nothing but white space and a comma stands between two elements.
  func isClean(_ range: Range<Int>) -> Bool {
    var commas = 0
    for at in range {
      if bytes[at] == 0x2C { commas += 1 } else if !isSpace(bytes[at]) { return false }
    }
    return commas == 1
  }

  /// Removes elements of one container and adds others at its end.
  func change(
    _ members: [(name: RecordName, value: Place)], removing removed: Set<RecordName>,
    adding new: [StoredRecord]
  ) throws -> [Splice] {
    var splices: [Splice] = []
    let starts = members.map { elementStart($0.value.offset) }
    let ends = members.map(\.value.range.upperBound)
    let isKept = members.map { !removed.contains($0.name) }
    var at = 0
    while at < members.count {
      guard !isKept[at] else {
        at += 1
        continue
      }
      var end = at
      while end + 1 < members.count, !isKept[end + 1] { end += 1 }
      // What stands between two elements goes with the one behind it, at the start with the other.
      let gaps = at > 0 ? at..<end + 1 : 1..<min(end + 2, members.count)
      for index in gaps {
        guard isClean(ends[index - 1]..<starts[index]) else {
          throw StorageError(
            .damaged, "what stands beside the record cannot be read, and would be lost",
            path: path.string, offset: ends[index - 1],
            hint: "salvage the file, or restore it from a backup, before records are deleted")
        }
      }
      if at > 0 {
        splices.append(Splice(range: ends[at - 1]..<ends[end]))
      } else if end + 1 < members.count {
        splices.append(Splice(range: starts[at]..<starts[end + 1]))
      } else {
        let before = new.isEmpty ? lead(before: starts[at]).count : 0
        splices.append(Splice(range: starts[at] - before..<ends[end]))
      }
      at = end + 1
    }
    guard !new.isEmpty else { return splices }
    let last = isKept.lastIndex(of: true)
    var added =
      if let last {
        adding(new, behind: members[last].value)
      } else {
        elements(new, like: members[0].value, hasOthers: false)
      }
    let place = last.map { ends[$0] } ?? starts[0]
    if let index = splices.firstIndex(where: { $0.range.lowerBound == place }) {
      splices[index].bytes = added.bytes
      splices[index].records = added.records
    } else {
      added.range = place..<place
      splices.append(added)
    }
    return splices
  }

  /// Elements behind the last one of a container.
  func adding(_ new: [StoredRecord], behind last: Place) -> Splice {
    var splice = elements(new, like: last, hasOthers: true)
    let end = last.range.upperBound
    splice.range = end..<end
    return splice
  }

  /// The text of elements, laid out as another one is.
  func elements(_ new: [StoredRecord], like model: Place, hasOthers: Bool) -> Splice {
    let start = elementStart(model.offset)
    let space = lead(before: start)
    let layout = layout(of: model)
    var splice = Splice(range: 0..<0)
    for (index, record) in new.enumerated() {
      if index > 0 || hasOthers {
        splice.bytes.append(0x2C)
        splice.bytes.append(space)
      }
      append(record, isKeyed: start != model.offset, layout: layout, to: &splice)
    }
    return splice
  }

  func layout(of place: Place) -> RecordLayout {
    let text = bytes.span.extracting(place.range)
    var (compact, scratch) = (ByteBuffer(), ByteBuffer())
    guard let parsed = try? JSONText(text) else { return .compact }
    parsed.appendCompact(to: &compact)
    let layout = RecordLayout(of: text, compact: compact.span, scratch: &scratch)
    return layout == .own ? .indented(unit: 2, base: 4) : layout
  }

  func append(
    _ record: StoredRecord, isKeyed: Bool, layout: RecordLayout, to splice: inout Splice
  ) {
    if isKeyed {
      appendJSONString(record.name.key.span, to: &splice.bytes)
      splice.bytes.append(0x3A)
      if layout != .compact { splice.bytes.append(0x20) }
    }
    let start = splice.bytes.count
    layout.append(record.text.bytes.span, to: &splice.bytes)
    splice.records.append(
      (record.name, Place(offset: start, length: splice.bytes.count - start)))
  }
}
