import LosslessJSON
import Records
import Stores

/// Where in a task list a record stands, as far as its shape, its projects and its tasks tell
/// (FORMATS: task-list).
struct TaskPlaces {
  enum Shape { case list, byUser, byProject }

  var shape: Shape?
  /// The keys of the lists and of the projects.
  private(set) var lists: Set<[UInt8]> = []
  /// The user of each project, by its own words, and the one under whom its list stands.
  private var owners: [[UInt8]: [UInt8]] = [:]
  private var holders: [[UInt8]: [UInt8]] = [:]
  /// Whether lists of a project stand under its owner only, as far as is known.
  private var ownersTell = true
  /// Whether the user that a task names is the one under whom it stands, as far as is known.
  private(set) var tasksTell = true

  /// The shape, where the key that tells it is lost too.
  var likelyShape: Shape? { shape ?? (owners.isEmpty ? nil : .byProject) }

  mutating func note(project: [UInt8], of owner: [UInt8]) {
    lists.insert(project)
    if let holder = holders[project], holder != owner { ownersTell = false }
    owners[project] = owner
  }

  /// Notes a list whose keys are whole.
  mutating func note(list: [UInt8], of user: [UInt8]?) {
    lists.insert(list)
    guard let user else { return }
    if let other = owners[list] ?? holders[list], other != user { ownersTell = false }
    holders[list] = user
  }

  /// Notes a task that nothing is lost in front of.
  mutating func note(task: JSONText, of user: [UInt8]) {
    if let own = task.string("user"), own != user { tasksTell = false }
  }

  /// The user of a project's list whose own key is lost: no other list of it is known.
  func owner(of project: [UInt8]) -> [UInt8]? {
    ownersTell && holders[project] == nil ? owners[project] : nil
  }
}

/// Task lists, walked by their keys: which user and project a task belongs to is nowhere else.
extension SnapshotSalvage {
  /// What a member of the outermost object opens in a task list.
  func taskContainer(_ key: [UInt8], _ first: UInt8) -> Context? {
    let isObject = first == 0x7B
    guard isObject || first == 0x5B else { return nil }
    if key == Array("tasks".utf8) {
      if places?.shape == nil || !isObject { places?.shape = isObject ? .byProject : .list }
      return isObject ? .tasks([]) : .taskList([])
    }
    if key == Array("tasks_by_user".utf8) {
      places?.shape = .byUser
      return isObject ? .tasks([]) : nil
    }
    guard isObject else { return nil }
    if key == Array("users".utf8) { return .keyed(.user) }
    return key == Array("projects".utf8) ? .keyed(.project) : nil
  }

  /// Where the walk is behind the end of a list or an object.
  static func outside(of context: Context) -> Context? {
    switch context {
    case .tasks(let path), .taskList(let path):
      return path.isEmpty ? .root : .tasks(Array(path.dropLast()))
    case .keyed: return .root
    default: return nil
    }
  }

  /// What a key above tasks opens.
  static func below(_ path: [[UInt8]?], _ key: [UInt8], _ first: UInt8) -> Context? {
    if first == 0x5B { return .taskList(path + [key]) }
    return first == 0x7B && path.isEmpty ? .tasks([key]) : nil
  }

  func noteProject(_ key: [UInt8]) {
    guard let owner = record.text.string("user_id") else { return }
    places?.note(project: key, of: owner)
  }

  /// What an object of a task list is by its own fields.
  func taskKind() -> RecordKind? {
    let text = record.text
    let isTask =
      text.member("completed") != nil
      && (text.member("title") != nil || text.member("description") != nil)
    if isTask { return .task }
    if text.member("username") != nil { return .user }
    return text.member("user_id") != nil && text.member("id") != nil ? .project : nil
  }

  /// The end of the task at `start` that is whole but for a few bytes in strings, fewer than hide the
  /// end of one task and the beginning of another: the list goes on behind it. Nil for any other.
  func taskWithBadBytes(_ text: Span<UInt8>, _ start: Int, _ error: JSONError) -> Int? {
    let badByteLimit = 8
    guard error.reason == .invalidUTF8 || error.reason == .controlCharacter else { return nil }
    let length = min(text.count - start, 64 << 10)
    var mended = (start..<start + length).map { text[$0] }
    var error = error
    error.offset -= start
    // What is known of the text as it stands is still asked for.
    var index = JSONIndex()
    for _ in 0..<badByteLimit {
      guard error.reason == .invalidUTF8 || error.reason == .controlCharacter,
        error.offset < mended.count
      else { return nil }
      mended[error.offset] = 0x3F
      do throws(JSONError) { try index.scan(mended.span) } catch let other {
        if other.reason != .trailingBytes {
          error = other
          continue
        }
      }
      let end = Int(index.tokens[0].end)
      let next = TextBytes.skipSpace(mended.span, end)
      guard next < mended.count, mended[next] == 0x2C || mended[next] == 0x5D,
        (try? record.text.parse(mended.span.extracting(0..<end))) != nil, taskKind() == .task
      else { return nil }
      return start + end
    }
    return nil
  }

  /// Takes a task, in `record` already, out of a list under these keys.
  func takeTask(_ path: [[UInt8]?], _ body: Span<UInt8>) throws {
    if looksInside || taskForm.keys.isEmpty, taskKind() == .task {
      taskForm = TaskForm(record.text)
    }
    if let user = path.first ?? nil, losses == 0, !isMalformed {
      places?.note(task: record.text, of: user)
    }
    if let scope = taskScope(in: path) { return try take(.task, scope: scope, body) }
    try takeHomeless(body)
  }

  /// Keeps a task apart that could belong to several users.
  func takeHomeless(_ body: Span<UInt8>) throws {
    let reason = "the user and the project above it are lost"
    if output != nil { try sink?.irregular(body, reason: reason, line: line) }
    line += body.occurrences(of: 0x0A)
  }

  /// The scope of the task in `record`, in a list under these keys; nil where its user is lost, or
  /// where damage has joined lists of two.
  private func taskScope(in path: [[UInt8]?]) -> [UInt8]? {
    guard let above = path.first else { return [] }
    let rest = path.dropFirst().compactMap { $0 }
    let own = places?.tasksTell == true ? record.text.string("user") : nil
    if looksInside, let above, let own, own != above, !rest.isEmpty { return nil }
    let isOwn = above == nil || looksInside
    let user = (isOwn ? own : nil) ?? above ?? rest.first.flatMap { places?.owner(of: $0) }
    return user.map { ([$0] + rest).flatMap(TaskScope.step) }
  }

  /// The scope of the task in `record`, which was found behind damage; nil where it is lost.
  func taskScope() -> [UInt8]? {
    let user = places?.tasksTell == true ? record.text.string("user") : nil
    let scope = user.map { TaskScope.step($0) }
    switch places?.likelyShape {
    case .list: return []
    case .byUser: return scope
    case .byProject: return nil
    // Only in a plain list an id is a text.
    case nil: return scope ?? (record.text.string("id") == nil ? nil : [])
    }
  }

  /// What a key opens behind damage, and where its first element is: the list of a user or of a
  /// project, or the lists of a user. Nil where no task stands there.
  func lostTaskList(_ text: Span<UInt8>, _ at: Int) -> (Context, Int)? {
    let shape = places?.likelyShape
    guard shape != .list, let (key, open) = opening(text, at) else { return nil }
    if text[open] == 0x7B {
      guard shape != .byUser, let (_, list) = opening(text, TextBytes.skipSpace(text, open + 1)),
        text[list] == 0x5B, startsWithTask(text, list)
      else { return nil }
      places?.shape = .byProject
      return (.tasks([key]), open + 1)
    }
    guard startsWithTask(text, open) else { return nil }
    if shape == nil {
      // The task tells whether the key is that of its user.
      guard let user = record.text.string("user") else { return nil }
      places?.shape = user == key ? .byUser : .byProject
    }
    places?.note(list: key, of: nil)
    return (.taskList(places?.shape == .byUser ? [key] : [nil, key]), open + 1)
  }

  /// The key at `at`, and the bracket that it stands in front of.
  private func opening(_ text: Span<UInt8>, _ at: Int) -> (key: [UInt8], open: Int)? {
    guard at < text.count, text[at] == 0x22 else { return nil }
    let rest = text.extracting(at..<min(text.count, at + 1024))
    var end = 1
    while end < rest.count, rest[end] != 0x22 {
      if rest[end] < 0x20 { return nil }
      end += rest[end] == 0x5C ? 2 : 1
    }
    guard end < rest.count, let key = try? JSONText(rest.extracting(0..<end + 1)).decoded(0) else {
      return nil
    }
    let colon = TextBytes.skipSpace(text, at + end + 1)
    guard colon < text.count, text[colon] == 0x3A else { return nil }
    let open = TextBytes.skipSpace(text, colon + 1)
    guard open < text.count, text[open] == 0x5B || text[open] == 0x7B else { return nil }
    return (key, open)
  }

  private func startsWithTask(_ text: Span<UInt8>, _ open: Int) -> Bool {
    let first = TextBytes.skipSpace(text, open + 1)
    guard first < text.count, text[first] == 0x7B else { return false }
    try? index.scan(text.extracting(first..<text.count))
    guard index.count > 1, index.tokens[0].end > index.tokens[0].start,
      (try? record.text.parse(text.extracting(first..<first + Int(index.tokens[0].end)))) != nil
    else { return false }
    return taskKind() == .task
  }
}
