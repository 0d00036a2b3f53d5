import Disk
import LosslessJSON
import Records
import SystemPackage

/// Writes a task list in the shape that its tasks call for: a list where they have no scope, lists
/// by user, or lists by user and project (FORMATS: task-list).
///
/// Tasks wait, sorted by where they belong and in store order within that; users and projects
/// wait in store order. Holds the keys of users and projects in memory.
final class TaskListWriter: StoreWriter {
  private let options: WriteOptions
  private let files: StagedFiles
  private var name: FilePath?
  private var mode = 0o600
  private var tasks: RunSorter?
  private var maps: [RecordKind: SpillFile] = [:]
  private var members: SpillFile?
  private var hasVersion = false
  private var depths: Set<Int> = []
  /// Whether the first task without a scope lacks what a list of tasks is recognised by.
  private var startsOddly = false
  /// Users as keys, in the order in which they came, and the projects of each.
  private var users = KeyOrdinals()
  private var projects: [KeyOrdinals] = []
  private var line = ByteBuffer()

  init(_ options: WriteOptions) {
    self.options = options
    files = StagedFiles(in: options.directory)
    tasks = RunSorter(spillingTo: options.directory, runLimit: 8 << 20)
  }

  func write(_ record: inout Record, at place: WritePlace) throws {
    try StoreFormat.taskList.check(record, from: options.sourceKind)
    if name == nil {
      name = options.fileName(.taskList, place, usual: FilePath("tasks.json"))
      mode = place.mode
    }
    switch record.kind {
    case .task: try writeTask(&record)
    case .user, .project: try writeMapped(&record)
    default: try writeMember(&record)
    }
  }

  private func writeTask(_ record: inout Record) throws {
    guard let keys = TaskScope.keys(record.scope) else {
      throw StoreError.refusal(of: record, "has a scope that is no user and project")
    }
    if depths.union([keys.count]).isSuperset(of: [0, 2]) {
      throw StoreError.refusal(
        of: record, "tasks with no user and tasks of a project cannot stand in one file",
        hint: "select the ones or the others")
    }
    if keys.isEmpty, !depths.contains(0) { startsOddly = !TaskList.isTask(record.text) }
    depths.insert(keys.count)
    let place = ordinals(of: keys)
    line.removeAll()
    for number in [keys.count, place.user, place.project] {
      for shift in [24, 16, 8, 0] { line.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }
    let key = line.array
    line.removeAll()
    record.text.appendCompact(to: &line)
    let text = line
    try tasks?.insert(key: key.span, payload: text.span)
  }

  private func ordinals(of keys: [[UInt8]]) -> (user: Int, project: Int) {
    guard let first = keys.first else { return (0, 0) }
    let user = users.insert(first)
    if user == projects.count { projects.append(KeyOrdinals()) }
    return (user, keys.count > 1 ? projects[user].insert(keys[1]) : 0)
  }

  private func writeMapped(_ record: inout Record) throws {
    let own = TaskList.ownKey(of: &record)
    if !record.scope.isEmpty, record.scope == own {
      throw StoreError.refusal(of: record, "has its own id for a key it is stored under")
    }
    guard let key = record.scope.isEmpty ? own : record.scope else {
      throw StoreError.refusal(
        of: record, "has no id to be stored under", hint: StoreError.leavingOut)
    }
    if record.kind == .user {
      _ = ordinals(of: [key])
    } else if let owner = record.text.string("user_id") {
      _ = ordinals(of: [owner, key])
    }
    let spill = try maps[record.kind] ?? SpillFile(in: options.directory)
    maps[record.kind] = spill
    line.removeAll()
    line.append(spill.count > 0 ? ",\n" : "\n")
    appendJSONString(key.span, to: &line)
    line.append(0x3A)
    record.text.appendCompact(to: &line)
    let text = line
    try spill.append(text.span)
  }

  /// A member of the top level that is no part of the format.
  private func writeMember(_ record: inout Record) throws {
    let key = record.scope
    let member = TaskList.member(key, record.text.source()[0])
    guard member == .document || (member == .version && !TaskList.isOwnVersion(record.text))
    else { throw StoreError.refusal(of: record, "is no member that reads back as it is") }
    hasVersion = hasVersion || member == .version
    line.removeAll()
    appendJSONString(key.span, to: &line)
    line.append(0x3A)
    record.text.appendCompact(to: &line)
    line.append(",\n")
    let spill = try members ?? SpillFile(in: options.directory)
    members = spill
    let text = line
    try spill.append(text.span)
  }

  func finish() throws -> WrittenStore {
    let name = name ?? options.fileName ?? FilePath("tasks.json")
    let file = try files.file(name, mode: mode)
    try file.write("{")
    let isList = depths.contains(0) || (depths.isEmpty && maps.isEmpty)
    if isList, !hasVersion { try file.write("\"version\":\"1.0\",\n") }
    try members?.copy(to: file)
    var isFirst = true
    for kind in [RecordKind.user, .project] {
      guard let spill = maps[kind] else { continue }
      try begin(kind.plural, &isFirst, file)
      try file.write("{")
      try spill.copy(to: file)
      try file.write("\n}")
    }
    // Empty members, where nothing else would tell that the file is a task list.
    if depths.contains(2), maps[.user] == nil, maps[.project] == nil {
      for kind in [RecordKind.user, .project] {
        try begin(kind.plural, &isFirst, file)
        try file.write("{}")
      }
    }
    if startsOddly, !depths.contains(1) {
      try begin("tasks_by_user", &isFirst, file)
      try file.write("{}")
    }
    try writeTasks(to: file, isList: isList, isFirst: &isFirst)
    try file.write("}\n")
    try files.close()
    return WrittenStore(root: options.directory.pushing(name), files: files.names)
  }

  private func begin(_ key: String, _ isFirst: inout Bool, _ file: StagedFile) throws {
    var text = ByteBuffer(isFirst ? "" : ",\n")
    isFirst = false
    appendJSONString(Array(key.utf8).span, to: &text)
    text.append(0x3A)
    try file.write(text.span)
  }

  private func writeTasks(to file: StagedFile, isList: Bool, isFirst: inout Bool) throws {
    let hasProjects = depths.contains(2) || maps[.project] != nil
    var layout = TaskLayout(users: users, projects: projects)
    if isList { layout.sections.append(.list) }
    if depths.contains(1) || (!isList && !hasProjects) { layout.sections.append(.byUser) }
    if hasProjects, !isList { layout.sections.append(.byProject) }
    if !isFirst { layout.isFirst = false }
    var out = ByteBuffer()
    try tasks.take()?.drain { key, task in
      var numbers = [0, 0, 0]
      for index in 0..<12 { numbers[index / 4] = numbers[index / 4] << 8 | Int(key[index]) }
      layout.place(numbers[0], numbers[1], numbers[2], &out)
      out.append(task)
      try file.write(out.span)
      out.removeAll()
    }
    layout.finish(&out)
    try file.write(out.span)
  }
}

/// Keys and their numbers, in the order in which they came.
struct KeyOrdinals {
  private(set) var keys: [[UInt8]] = []
  private var numbers: [[UInt8]: Int] = [:]

  /// The number of a key, a new one if need be.
  mutating func insert(_ key: [UInt8]) -> Int {
    if let known = numbers[key] { return known }
    numbers[key] = keys.count
    keys.append(key)
    return keys.count - 1
  }
}

/// The brackets around tasks that come in the order of section, user, project. Users and projects
/// without tasks get their empty lists.
private struct TaskLayout {
  enum Section: Int { case list, byUser, byProject }

  let users: KeyOrdinals
  let projects: [KeyOrdinals]
  var sections: [Section] = []
  /// Whether no member of the top level has been written.
  var isFirst = true
  /// The section, user and project of the last task, -1 before the first.
  private var section = -1
  private var user = -1
  private var project = -1
  private var listIsEmpty = true

  init(users: KeyOrdinals, projects: [KeyOrdinals]) {
    self.users = users
    self.projects = projects
  }

  /// Appends all that stands between the task before and one at this place.
  mutating func place(_ depth: Int, _ user: Int, _ project: Int, _ out: inout ByteBuffer) {
    while section < 0 || sections[section].rawValue < depth { nextSection(&out) }
    switch sections[section] {
    case .list: break
    case .byUser: while self.user < user { nextUser(&out) }
    case .byProject:
      while self.user < user { nextUser(&out) }
      while self.project < project { nextProject(&out) }
    }
    out.append(listIsEmpty ? "\n" : ",\n")
    listIsEmpty = false
  }

  mutating func finish(_ out: inout ByteBuffer) {
    while section < sections.count { nextSection(&out) }
  }

  private mutating func nextSection(_ out: inout ByteBuffer) {
    if section >= 0 {
      if sections[section] != .list {
        while user < users.keys.count { nextUser(&out) }
      }
      out.append(sections[section] == .list ? "\n]" : "\n}")
    }
    section += 1
    guard section < sections.count else { return }
    if !isFirst { out.append(",\n") }
    isFirst = false
    out.append(sections[section] == .byUser ? "\"tasks_by_user\":" : "\"tasks\":")
    out.append(sections[section] == .list ? "[" : "{")
    listIsEmpty = true
    (user, project) = (-1, -1)
  }

  /// Closes the user that is open and opens the next; past the last one only closes.
  private mutating func nextUser(_ out: inout ByteBuffer) {
    let isByProject = sections[section] == .byProject
    if user >= 0 {
      if isByProject {
        while project < projects[user].keys.count { nextProject(&out) }
        out.append("}")
      } else {
        out.append("]")
      }
    }
    user += 1
    guard user < users.keys.count else { return }
    out.append(user == 0 ? "\n" : ",\n")
    let key = users.keys[user]
    appendJSONString(key.span, to: &out)
    out.append(isByProject ? ":{" : ":[")
    listIsEmpty = true
    project = -1
  }

  private mutating func nextProject(_ out: inout ByteBuffer) {
    if project >= 0 { out.append("]") }
    project += 1
    guard project < projects[user].keys.count else { return }
    if project > 0 { out.append(",\n") }
    let key = projects[user].keys[project]
    appendJSONString(key.span, to: &out)
    out.append(":[")
    listIsEmpty = true
  }
}
