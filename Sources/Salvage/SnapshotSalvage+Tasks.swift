import LosslessJSON
import Records
import Stores

/// Where in a task list a record stands, as far as its shape and its projects tell
/// (FORMATS: task-list).
struct TaskPlaces {
  enum Shape { case list, byUser, byProject }

  var shape: Shape?
  /// The user of each project, by their keys.
  var owners: [[UInt8]: [UInt8]] = [:]

  /// The shape, where the key that tells it is lost too.
  var likelyShape: Shape? { shape ?? (owners.isEmpty ? nil : .byProject) }
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
  static func below(_ path: [[UInt8]], _ key: [UInt8], _ first: UInt8) -> Context? {
    if first == 0x5B { return .taskList(path + [key]) }
    return first == 0x7B && path.isEmpty ? .tasks([key]) : nil
  }

  func noteProject(_ key: [UInt8]) {
    guard let owner = record.text.string("user_id") else { return }
    places?.owners[key] = owner
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

  /// The scope of the task in `record`, which was found behind damage; nil where it is lost.
  func taskScope() -> [UInt8]? {
    let user = record.text.string("user").map { TaskScope.step($0) }
    switch places?.likelyShape {
    case .list: return []
    case .byUser: return user
    case .byProject: return nil
    // Only in a plain list an id is a text.
    case nil: return user ?? (record.text.string("id") == nil ? nil : [])
    }
  }

  /// The list that a key opens behind damage, and where its first element is: of a user, or of a
  /// project whose user is known. Nil where no task stands there.
  func lostTaskList(_ text: Span<UInt8>, _ at: Int) -> (Context, Int)? {
    guard let places, let shape = places.likelyShape, shape != .list else { return nil }
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
    guard open < text.count, text[open] == 0x5B else { return nil }
    let first = TextBytes.skipSpace(text, open + 1)
    guard first < text.count, text[first] == 0x7B else { return nil }
    try? index.scan(text.extracting(first..<text.count))
    guard index.count > 1, index.tokens[0].end > index.tokens[0].start,
      (try? record.text.parse(text.extracting(first..<first + Int(index.tokens[0].end)))) != nil,
      taskKind() == .task
    else { return nil }
    if shape == .byUser { return (.taskList([key]), open + 1) }
    return places.owners[key].map { (.taskList([$0, key]), open + 1) }
  }
}
