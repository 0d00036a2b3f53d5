import LosslessJSON
import Records
import SystemPackage

/// The first records of a container, which may be missing itself.
extension TextStore {
  /// The keys above the records of a name's kind, and whether they lie under keys of their own.
  static func home(of name: RecordName) -> (keys: [[UInt8]], isKeyed: Bool) {
    switch name.kind {
    case .intent: return ([Array("intents".utf8)], true)
    case .user, .project: return ([Array(name.kind.plural.utf8)], true)
    case .task:
      let owner = TaskScope.keys(name.scope) ?? []
      let top: StaticString = owner.count == 1 ? "tasks_by_user" : "tasks"
      return ([ByteBuffer(top).array] + owner, false)
    default: return ([Array(name.kind.plural.utf8)], false)
    }
  }

  /// Puts the first records of a container into it, and makes it where it is missing.
  mutating func house(_ new: [StoredRecord]) throws {
    guard let first = new.first else { return }
    let home = Self.home(of: first.name)
    let text: JSONText
    do throws(JSONError) { text = try JSONText(bytes.span) } catch {
      throw StorageError(
        .damaged, "is no JSON: \(error.reason.rawValue), so there is no place to put a record",
        path: path.string, offset: error.offset, cause: error,
        hint: "salvage the file, or restore it from a backup")
    }
    var (at, depth) = (0, 0)
    while depth < home.keys.count, text.kind(at) == .object,
      let key = text.children(of: at).last(where: { text.decoded($0) == home.keys[depth] })
    {
      at = key + 1
      depth += 1
    }
    let isThere = depth == home.keys.count
    guard text.kind(at) == .object || (isThere && text.kind(at) == .array) else {
      throw StorageError(
        .unsupported, "has something else where records of the kind \(first.name.kind) belong",
        path: path.string, offset: text.tokens[at].range.lowerBound)
    }
    var splice = Splice(range: 0..<0)
    let isKeyed = isThere ? text.kind(at) == .object : home.isKeyed
    func newLine(_ level: Int, _ out: inout ByteBuffer) {
      out.append(0x0A)
      for _ in 0..<level { out.append("  ") }
    }
    // Members that are missing, down to the container.
    let open = text.tokens[at].range
    let children = text.children(of: at)
    if let last = children.last {
      let end = text.tokens[text.kind(at) == .object ? last + 1 : last].range.upperBound
      splice.range = end..<end
      splice.bytes.append(0x2C)
    } else {
      splice.range = open.lowerBound + 1..<open.upperBound - 1
    }
    var level = depth + 1
    for key in home.keys[depth...] {
      newLine(level, &splice.bytes)
      appendJSONString(key.span, to: &splice.bytes)
      splice.bytes.append(": ")
      let isInnermost = level == home.keys.count
      splice.bytes.append(isInnermost && !isKeyed ? 0x5B : 0x7B)
      level += 1
    }
    for (index, record) in new.enumerated() {
      if index > 0 { splice.bytes.append(0x2C) }
      newLine(level, &splice.bytes)
      append(
        record, isKeyed: isKeyed, layout: .indented(unit: 2, base: 2 * level), to: &splice)
    }
    for inner in home.keys[depth...].indices.reversed() {
      level -= 1
      newLine(level, &splice.bytes)
      splice.bytes.append(inner == home.keys.count - 1 && !isKeyed ? 0x5D : 0x7D)
    }
    if children.isEmpty { newLine(depth, &splice.bytes) }
    self.splice([splice])
  }
}
