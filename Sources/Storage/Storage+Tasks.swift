import LosslessJSON
import Records

extension Storage: TaskStorage {
  func scope(_ owner: TaskOwner?) -> [UInt8] {
    guard let owner else { return [] }
    var scope = TaskScope.step(Array(owner.user.utf8))
    if let project = owner.project { scope += TaskScope.step(Array(project.utf8)) }
    return scope
  }

  private func read(_ record: StoredRecord) throws(StorageError) -> TaskItem {
    var task = try TaskItem(text: record.text)
    let keys = (TaskScope.keys(record.name.scope) ?? []).map { String(decoding: $0, as: UTF8.self) }
    task.owner = keys.first.map { TaskOwner(user: $0, project: keys.count > 1 ? keys[1] : nil) }
    task.revision = record.text.contentHash
    return task
  }

  private static func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }

  public func createTask(_ description: String, title: String?, owner: TaskOwner?)
    throws(StorageError) -> TaskItem
  {
    guard !Self.isBlank(description) || !Self.isBlank(title ?? "") else {
      throw StorageError(.invalid, "a task has a description or a title, and not a blank one")
    }
    let now = configuration.now()
    let time = ISOTime(
      seconds: Int(now.rounded(.down)),
      nanoseconds: Int((now - now.rounded(.down)) * 1e3) * 1_000_000
    ).text
    let scope = scope(owner)
    var created: StoredRecord?
    try update {
      try checkList(owner)
      var text = RecordText()
      var changes: [Change] = []
      if let owner {
        var last = 0
        try backend.scan(.task, scope: scope) {
          last = max(last, $0.text.integer("id") ?? 0)
          return true
        }
        guard last < Int.max else {
          throw StorageError(
            .invalid, "the tasks of \(owner.user) have used the last number", path: backend.path,
            hint: "give the task with the highest id another one")
        }
        text.set("id", last + 1)
        text.set("title", title ?? description)
        text.set("description", description)
        text.set("completed", false)
        text.set("user", owner.user)
        if let project = owner.project { text.set("project", project) }
        let name = RecordName(.user, owner.user)
        if try backend.find(name) == nil {
          var user = RecordText()
          user.set("username", owner.user)
          user.set("created_at", time)
          changes.append(.put(StoredRecord(name, user)))
        }
      } else {
        text.set("id", Identifier.uuid())
        if let title { text.set("title", title) }
        text.set("description", description)
        text.set("completed", false)
      }
      text.set("created_at", time)
      text.set("updated_at", time)
      let record = StoredRecord(
        RecordName(.task, [text.identifier("id") ?? []], scope: scope), text)
      created = record
      return changes + [.put(record)]
    }
    guard let created else { throw StorageError(.failed, "no task was made") }
    return try read(created)
  }

  /// Refuses a task that would stand where the owner of its list looks for something else: a list is
  /// kept plain, by user, or by user and project (FORMATS: task-list), and never in two of these ways.
  private func checkList(_ owner: TaskOwner?) throws {
    let ways = ["plain", "kept by user", "kept by user and project"]
    var known: Int?
    try backend.scan(.task, scope: nil) {
      known = TaskScope.keys($0.name.scope)?.count
      return false
    }
    let wanted = owner.map { $0.project == nil ? 1 : 2 } ?? 0
    guard let known, known != wanted, ways.indices.contains(known) else { return }
    throw StorageError(
      .invalid, "the list is \(ways[known]), and the task is for one that is \(ways[wanted])",
      path: backend.path, hint: "name the owner as the other tasks of the list have it")
  }

  /// The task of an id: of the owner that is named, else of the only one that has it.
  private func locate(_ id: String, _ owner: TaskOwner?) throws -> StoredRecord {
    if let owner {
      let name = RecordName(.task, id, scope: scope(owner))
      if let text = try backend.find(name) { return StoredRecord(name, text) }
      throw missing("task \(id) of \(owner.user)\(owner.project.map { "/\($0)" } ?? "")")
    }
    var found: [StoredRecord] = []
    let wanted = Array(id.utf8)
    try backend.scan(.task, scope: nil) {
      if $0.name.id == [wanted] { found.append($0) }
      return found.count < 2
    }
    guard let first = found.first else { throw missing("task \(id)") }
    guard found.count == 1 else {
      throw StorageError(
        .conflict, "several owners have a task \(id)", path: backend.path,
        hint: "name the owner")
    }
    return first
  }

  /// The task of an id, as the calls that change one find it.
  package func located(_ id: String, owner: TaskOwner?) throws(StorageError) -> TaskItem {
    let stored = try told { try locate(id, owner) }
    return try read(stored)
  }

  /// The time now, as tasks have it.
  package var timeText: String { ISOTime(seconds: Int(configuration.now())).text }

  public func update(_ task: TaskItem) throws(StorageError) {
    guard !Self.isBlank(task.description) || !Self.isBlank(task.title ?? "") else {
      throw StorageError(.invalid, "a task has a description or a title, and not a blank one")
    }
    try update {
      let stored = try locate(task.id, task.owner)
      try checkRevision(task.revision, of: stored.name)
      return [.put(StoredRecord(stored.name, task.text))]
    }
  }

  @discardableResult
  public func completeTask(_ id: String, owner: TaskOwner?) throws(StorageError) -> TaskItem {
    var changed: StoredRecord?
    try update {
      let stored = try locate(id, owner)
      var task = try TaskItem(text: stored.text)
      if !task.completed {
        task.completed = true
        task.updatedAt = timeText
      }
      let record = StoredRecord(stored.name, task.text)
      changed = record
      return [.put(record)]
    }
    guard let changed else { throw missing("task \(id)") }
    return try read(changed)
  }

  public func deleteTask(_ id: String, owner: TaskOwner?) throws(StorageError) {
    try update { [.remove(try locate(id, owner).name)] }
  }

  public func tasks(of owner: TaskOwner?) throws(StorageError) -> [TaskItem] {
    try all(.task, scope: owner.map { scope($0) }) { record throws(StorageError) in
      try read(record)
    }
  }
}
