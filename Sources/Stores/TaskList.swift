import Disk
import LosslessJSON
import Records

extension StoreFormat {
  /// One JSON object of tasks in any of three shapes (FORMATS: task-list).
  package static let taskList = StoreFormat(
    name: "task-list",
    summary: "tasks in one JSON object: a list, lists by user, or lists by user and project",
    recordKinds: [.task, .user, .project, .document],
    writableKinds: [.task, .user, .project],
    recognises: { tree in
      guard tree.isSingleFile else { return false }
      return TaskList.isTaskList(try FileHead(tree, 0))
    },
    read: { tree, _, sink in
      for (index, file) in tree.files.enumerated() where !file.isDirectory {
        let head = try FileHead(tree, index)
        let container = try ContainerReader(
          tree: tree, file: index, sink: sink, skipping: head.markLength)
        var record = Record()
        try container.walk { text in
          try TaskList(container: container, sink: sink).read(&text, &record)
        }
      }
    },
    write: { options in TaskListWriter(options) })
}

/// Reads a task list. The scope of a task is the JSON pointer of the user's and the project's key
/// above it: empty, `/alice` or `/alice/garden`. Users and projects have their key as scope where
/// that is not their id.
package struct TaskList {
  let container: ContainerReader
  let sink: any RecordSink

  /// Keys above a task: a user, a project.
  static let maximumDepth = 2

  /// What a member of the top level holds.
  enum Member: Equatable {
    /// The format's version, which is no record.
    case version
    /// Tasks, under keys or not.
    case tasks
    /// A map of users or of projects.
    case map(RecordKind)
    case document
  }

  /// - Parameter first: the first byte of the value.
  static func member(_ key: [UInt8], _ first: UInt8?) -> Member {
    let isContainer = first == 0x7B || first == 0x5B
    if key == Array("tasks".utf8) || key == Array("tasks_by_user".utf8) {
      return isContainer ? .tasks : .document
    }
    if key == Array("users".utf8) { return first == 0x7B ? .map(.user) : .document }
    if key == Array("projects".utf8) { return first == 0x7B ? .map(.project) : .document }
    return key == Array("version".utf8) ? .version : .document
  }

  /// Whether the object that the file starts with is a task list: lists by user or by user and
  /// project by their keys, a plain list by its first task.
  static func isTaskList(_ head: FileHead) -> Bool {
    var (byUser, projects, users, tasks, others) = (false, false, false, UInt8(0), false)
    head.forEachTopLevelKey { key, byte in
      switch member(key, byte) {
      case .map(.project): projects = true
      case .map: users = true
      case .tasks where key.count > 5: byUser = byte == 0x7B
      case .tasks: tasks = byte
      case .version: break
      case .document: others = true
      }
      return true
    }
    if byUser { return true }
    if projects || users, tasks == 0x7B { return true }
    if head.isCut, projects || users, !others, head.contains("\"created_at\"") { return true }
    guard tasks == 0x5B else { return false }
    return startsWithTask(head, othersAreThere: others)
  }

  /// Whether the first element of `tasks` is one: other programs have a `tasks` of their own.
  private static func startsWithTask(_ head: FileHead, othersAreThere: Bool) -> Bool {
    guard let start = head.firstSignificant else { return false }
    var reader = JSONReader(HeadSource(bytes: head.bytes, at: start))
    var text = JSONText()
    do {
      guard try reader.take(0x7B) else { return false }
      var first = true
      while let key = try reader.nextKey(first: first) {
        first = false
        guard key == Array("tasks".utf8) else {
          try reader.skip()
          continue
        }
        try reader.expect(0x5B, .unexpectedByte)
        guard try reader.nextElement(first: true) else { return !othersAreThere }
        _ = try reader.element(&text)
        return isTask(text)
      }
    } catch {
      // The head ends or is damaged inside the first task: its fields tell.
      return head.contains("\"completed\"") && head.contains("\"description\"")
    }
    return false
  }

  /// Whether a value has the fields by which a list of tasks is recognised.
  static func isTask(_ text: JSONText) -> Bool {
    text.kind() == .object && text.member("completed") != nil
      && (text.member("description") != nil || text.member("title") != nil)
  }

  func read(_ text: inout JSONReader<ByteStream>, _ record: inout Record) throws {
    try text.expect(0x7B, .unexpectedByte)
    var first = true
    while let key = try text.nextKey(first: first) {
      first = false
      switch Self.member(key, try text.peek()) {
      case .tasks: try readTasks(&text, &record, path: [], depth: 0)
      case .map(let kind): try readMap(&text, &record, kind)
      case .version:
        guard try container.element(&text, &record), !Self.isOwnVersion(record.text) else {
          continue
        }
        try takeDocument(&record, key)
      case .document:
        if try container.element(&text, &record) { try takeDocument(&record, key) }
      }
    }
  }

  /// The version that every list of the first shape has; another one is kept as a document.
  static func isOwnVersion(_ text: JSONText) -> Bool { text.isString(0, equalTo: "1.0") }

  private func takeDocument(_ record: inout Record, _ key: [UInt8]) throws {
    record.kind = .document
    record.scope = key
    try sink.take(&record)
    record.scope = []
  }

  private func readTasks(
    _ text: inout JSONReader<ByteStream>, _ record: inout Record, path: [UInt8], depth: Int
  ) throws {
    let next = try text.peek()
    if next == 0x5B {
      return try container.elements(&text, &record) { try takeTask(&$0, path) }
    }
    guard next == 0x7B, depth < Self.maximumDepth else {
      // No list where one must be: the value itself counts as a task, and breaks its rules.
      if try container.element(&text, &record) { try takeTask(&record, path) }
      return
    }
    try text.expect(0x7B, .unexpectedByte)
    var first = true
    while let key = try text.nextKey(first: first) {
      first = false
      try readTasks(
        &text, &record, path: path + TaskScope.step(key), depth: depth + 1)
    }
  }

  private func takeTask(_ record: inout Record, _ path: [UInt8]) throws {
    record.kind = .task
    record.scope = path
    try sink.take(&record)
    record.scope = []
  }

  private func readMap(
    _ text: inout JSONReader<ByteStream>, _ record: inout Record, _ kind: RecordKind
  ) throws {
    try text.expect(0x7B, .unexpectedByte)
    var first = true
    while let key = try text.nextKey(first: first) {
      first = false
      guard try container.element(&text, &record) else { continue }
      record.kind = kind
      record.scope = Self.ownKey(of: &record) == key ? [] : key
      try sink.take(&record)
      record.scope = []
    }
  }

  /// The key that a user or a project has where its container says no more than itself: its id,
  /// numbers in canonical form.
  package static func ownKey(of record: inout Record) -> [UInt8]? {
    guard let id = record.text.member(record.kind == .user ? "username" : "id") else { return nil }
    switch record.text.kind(id) {
    case .string: return record.text.decoded(id)
    case .number:
      var out = ByteBuffer()
      record.text.appendCanonical(id, to: &out)
      return out.array
    default: return nil
    }
  }
}
