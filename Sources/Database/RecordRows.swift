import LosslessJSON
import Records

/// Makes the rows of records: what each says, in the tables that people query, and itself.
package struct RecordRows {
  private var compact = ByteBuffer()
  private var scratch = ByteBuffer()
  private var words = ByteBuffer()

  package init() {}

  /// The kinds whose bytes CCOS's `objects` holds.
  static func isObject(_ kind: RecordKind) -> Bool {
    switch kind {
    case .intent, .edge, .plan, .action: true
    default: false
    }
  }

  /// Appends the rows of one record, whose canonical hash is `hash`, to `out`.
  /// - Parameter layout: how it is laid out; found out where it is nil.
  package mutating func append(
    _ record: inout Record, _ hash: Hash256, layout given: RecordLayout? = nil,
    to out: inout ByteBuffer
  ) {
    let text = record.text.tokens[0].range
    compact.removeAll()
    record.text.appendCompact(to: &compact)
    let bytes = compact
    let layout =
      given
      ?? RecordLayout(of: record.text.source(of: 0), compact: bytes.span, scratch: &scratch)
    let content = Hash256(of: compact.span)
    RowBuffer.begin(.records, &out)
    RowBuffer.record(&out)
    RowBuffer.file(&out)
    scratch.removeAll()
    scratch.append(record.kind.word)
    RowBuffer.text(scratch.span, &out)
    scratch.removeAll()
    record.appendID(to: &scratch)
    readable(&out)
    if record.scope.isEmpty {
      RowBuffer.null(&out)
    } else {
      RowBuffer.text(record.scope.span, &out)
    }
    if record.place.line > 0 {
      RowBuffer.integer(record.place.line, &out)
    } else {
      RowBuffer.null(&out)
    }
    RowBuffer.integer(record.place.offset + (given == nil ? text.lowerBound : 0), &out)
    RowBuffer.integer(layout.number, &out)
    RowBuffer.hash(content, &out)
    RowBuffer.hash(hash, &out)
    let isObject = Self.isObject(record.kind)
    if isObject { RowBuffer.null(&out) } else { RowBuffer.text(compact.span, &out) }
    if layout == .own {
      RowBuffer.begin(.texts, &out)
      RowBuffer.record(&out)
      RowBuffer.blob(record.text.source(of: 0), &out)
    }
    if isObject { appendObject(record, content, &out) }
    appendFields(record, &out)
    appendWords(record, &out)
  }

  /// What the full-text index has of a record: the columns of `searchable` for it. Runs are taken
  /// from their table.
  private mutating func appendWords(_ record: borrowing Record, _ out: inout ByteBuffer) {
    let object = record.body
    words.removeAll()
    let title: StaticString
    switch record.kind {
    case .entity:
      title = "name"
      guard let list = record.text.member("observations", of: object),
        record.text.kind(list) == .array
      else { break }
      for token in record.text.children(of: list) where record.text.kind(token) == .string {
        if !words.isEmpty { words.append(0x0A) }
        appendText(token, record)
      }
    case .intent:
      title = "name"
      for key in ["goal", "original_request"] as [StaticString] {
        if !words.isEmpty { words.append(0x0A) }
        if let token = record.text.member(key, of: object) { appendText(token, record) }
      }
    case .task:
      title = "title"
      if let token = record.text.member("description", of: object) { appendText(token, record) }
    case .project: title = "name"
    default: return
    }
    out.append(UInt8(RowBuffer.words))
    field(title, of: object, record, &out)
    RowBuffer.text(words.span, &out)
  }

  /// Appends to `words` what `field` has as a column.
  private mutating func appendText(_ token: Int, _ record: borrowing Record) {
    switch record.text.kind(token) {
    case .number: words.append(record.text.source(of: token))
    case .string:
      if record.text.tokens[token].isPlain {
        let text = record.text.source(of: token)
        return words.append(text.extracting(1..<text.count - 1))
      }
      scratch.removeAll()
      record.text.appendDecoded(token, to: &scratch)
      if scratch.span.isUTF8 {
        let bytes = scratch
        words.append(bytes.span)
      } else {
        words.append(Array(String(decoding: scratch.array, as: UTF8.self).utf8))
      }
    default: break
    }
  }

  private mutating func appendObject(
    _ record: borrowing Record, _ content: Hash256, _ out: inout ByteBuffer
  ) {
    RowBuffer.begin(.objects, &out)
    RowBuffer.text(Array(content.hex.utf8).span, &out)
    RowBuffer.text(compact.span, &out)
    RowBuffer.integer(
      record.text.integer("created_at") ?? record.text.integer("timestamp") ?? 0, &out)
    RowBuffer.integer(compact.count, &out)
  }

  private mutating func appendFields(_ record: borrowing Record, _ out: inout ByteBuffer) {
    let object = record.body
    switch record.kind {
    case .entity: appendEntity(record, object, &out)
    case .relation:
      RowBuffer.begin(.relations, &out)
      RowBuffer.record(&out)
      texts(["from", "relationType", "to"], of: object, record, &out)
      let metadata = record.text.member("metadata", of: object)
      field("createdAt", of: metadata, record, &out)
    case .intent:
      RowBuffer.begin(.intents, &out)
      RowBuffer.record(&out)
      texts(["intent_id", "name", "goal", "status"], of: object, record, &out)
      integer("priority", of: object, record, &out)
      texts(
        ["parent_intent", "triggered_by", "session_id", "original_request"], of: object, record,
        &out)
      integer("created_at", of: object, record, &out)
      integer("updated_at", of: object, record, &out)
    case .edge:
      RowBuffer.begin(.edges, &out)
      RowBuffer.record(&out)
      texts(["from", "edge_type", "to"], of: object, record, &out)
      real("weight", of: object, record, &out)
    case .plan:
      RowBuffer.begin(.plans, &out)
      RowBuffer.record(&out)
      field("plan_id", of: object, record, &out)
    case .action:
      RowBuffer.begin(.actions, &out)
      RowBuffer.record(&out)
      texts(["action_id", "plan_id", "intent_id"], of: object, record, &out)
    case .run: appendRun(record, &out)
    case .task:
      RowBuffer.begin(.tasks, &out)
      RowBuffer.record(&out)
      field("id", of: object, record, &out)
      if record.scope.isEmpty {
        RowBuffer.null(&out)
      } else {
        RowBuffer.text(record.scope.span, &out)
      }
      texts(["title", "description"], of: object, record, &out)
      flag("completed", of: object, record, &out)
      texts(["created_at", "updated_at"], of: object, record, &out)
    case .user:
      RowBuffer.begin(.users, &out)
      RowBuffer.record(&out)
      texts(["username", "created_at"], of: object, record, &out)
    case .project:
      RowBuffer.begin(.projects, &out)
      RowBuffer.record(&out)
      texts(["id", "name", "user_id"], of: object, record, &out)
    case .document: break
    }
  }

  private mutating func appendEntity(
    _ record: borrowing Record, _ object: Int, _ out: inout ByteBuffer
  ) {
    let metadata = record.text.member("metadata", of: object)
    RowBuffer.begin(.entities, &out)
    RowBuffer.record(&out)
    texts(["name", "entityType"], of: object, record, &out)
    texts(["chartId", "parentChart", "phase"], of: metadata, record, &out)
    integer("level", of: metadata, record, &out)
    field("dueDate", of: metadata, record, &out)
    flag("completionStatus", of: metadata, record, &out)
    texts(["createdAt", "updatedAt"], of: metadata, record, &out)
    guard let list = record.text.member("observations", of: object),
      record.text.kind(list) == .array
    else { return }
    for (position, token) in record.text.children(of: list).enumerated()
    where record.text.kind(token) == .string {
      RowBuffer.begin(.observations, &out)
      RowBuffer.record(&out)
      RowBuffer.integer(position, &out)
      string(token, record, &out)
    }
  }

  /// A run that the table's own rules would refuse has no row of its own.
  private mutating func appendRun(_ record: borrowing Record, _ out: inout ByteBuffer) {
    let text = record.text
    for key in ["run_id", "plan_id", "objective", "plan_result"] as [StaticString] {
      guard let token = text.member(key), text.kind(token) == .string else { return }
    }
    guard let time = text.member("created_at"), text.kind(time) == .number else { return }
    RowBuffer.begin(.runs, &out)
    texts(
      ["run_id", "plan_id", "objective", "plan_result", "execution_result"], of: 0, record, &out)
    real("created_at", of: 0, record, &out)
    texts(["approval_status", "approval_reason"], of: 0, record, &out)
    real("approved_at", of: 0, record, &out)
    field("approved_by", of: 0, record, &out)
  }

  private mutating func texts(
    _ keys: [StaticString], of object: Int?, _ record: borrowing Record, _ out: inout ByteBuffer
  ) {
    for key in keys { field(key, of: object, record, &out) }
  }

  /// A string or, as its text, a number; NULL for anything else.
  private mutating func field(
    _ key: StaticString, of object: Int?, _ record: borrowing Record, _ out: inout ByteBuffer
  ) {
    guard let object, let token = record.text.member(key, of: object) else {
      return RowBuffer.null(&out)
    }
    switch record.text.kind(token) {
    case .string: string(token, record, &out)
    case .number: RowBuffer.text(record.text.source(of: token), &out)
    default: RowBuffer.null(&out)
    }
  }

  private mutating func string(
    _ token: Int, _ record: borrowing Record, _ out: inout ByteBuffer
  ) {
    let plain = record.text.tokens[token]
    if plain.isPlain {
      let text = record.text.source(of: token)
      return RowBuffer.text(text.extracting(1..<text.count - 1), &out)
    }
    scratch.removeAll()
    record.text.appendDecoded(token, to: &scratch)
    readable(&out)
  }

  /// What is in `scratch`, with U+FFFD for each lone surrogate: other programs read this.
  private func readable(_ out: inout ByteBuffer) {
    if scratch.span.isUTF8 { return RowBuffer.text(scratch.span, &out) }
    RowBuffer.text(Array(String(decoding: scratch.array, as: UTF8.self).utf8).span, &out)
  }

  private func integer(
    _ key: StaticString, of object: Int?, _ record: borrowing Record, _ out: inout ByteBuffer
  ) {
    if let object, let value = record.text.integer(key, of: object) {
      RowBuffer.integer(value, &out)
    } else {
      RowBuffer.null(&out)
    }
  }

  private func real(
    _ key: StaticString, of object: Int?, _ record: borrowing Record, _ out: inout ByteBuffer
  ) {
    guard let object, let token = record.text.member(key, of: object),
      record.text.kind(token) == .number
    else { return RowBuffer.null(&out) }
    let text = record.text.source(of: token)
    let value = Double(String(decoding: (0..<text.count).map { text[$0] }, as: UTF8.self))
    if let value { RowBuffer.real(value, &out) } else { RowBuffer.null(&out) }
  }

  private func flag(
    _ key: StaticString, of object: Int?, _ record: borrowing Record, _ out: inout ByteBuffer
  ) {
    if let object, let value = record.text.flag(key, of: object) {
      RowBuffer.integer(value ? 1 : 0, &out)
    } else {
      RowBuffer.null(&out)
    }
  }
}
