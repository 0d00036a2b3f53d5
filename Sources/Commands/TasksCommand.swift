import ArgumentParser
import HoldfastStorage
import LosslessJSON
import Records
import Stores

struct TasksCommand: Verb {
  static let verb = "tasks"
  static let configuration = CommandConfiguration(
    commandName: "tasks",
    abstract: "List and change the tasks of a list.",
    discussion: """
      list takes any store, database or backup that holds tasks. The others take a task list or a \
      migrated database; add makes a task list where nothing is there. A new task has a UUID in a \
      plain list and the next number in one that is kept by user. What is written is on the disk \
      when the verb ends, and all other bytes of the list stay as they are.

      \(ExitStatus.help([.findings, .notFound, .locked, .refused, .notWritable]))
      """)

  enum Action: String, ExpressibleByArgument, CaseIterable, Sendable {
    case list, add, update, complete, delete
  }

  @Argument(help: "What is to be done: list, add, update, complete or delete.")
  var action: Action

  @Argument(help: "The store.", completion: .file())
  var store: String

  @Argument(
    help: ArgumentHelp("add: the description. update, complete, delete: the id of the task."))
  var task: String?

  @Option(name: .long, help: ArgumentHelp("add, update: the title.", valueName: "text"))
  var title: String?

  @Option(name: .long, help: ArgumentHelp("update: the description.", valueName: "text"))
  var description: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Whose task it is, and of which project.", valueName: "user[/project]"))
  var owner: String?

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    guard (task == nil) == (action == .list) else {
      throw ValidationError(
        action == .list ? "list takes the store alone" : "name the store and the task")
    }
    if action == .update, title == nil, description == nil {
      throw ValidationError("update needs --title or --description")
    }
  }

  func perform(_ console: Console) throws -> ExitStatus {
    if action == .list { return try list(console) }
    try change(console)
    return .done
  }

  private func list(_ console: Console) throws -> ExitStatus {
    let storage = try StorageVerb.view(store, shared)
    let owner = StorageVerb.owner(owner)
    let (tasks, findings) = try StorageVerb.wait {
      (try await storage.tasks(of: owner), try await storage.findings)
    }
    console.json(Self.verb) { root in
      root.key("tasks")
      root.array(of: tasks) { list, task in list.object { encode(task, to: &$0) } }
    }
    for task in tasks {
      let text = task.title ?? task.description
      console.result(printable("[\(task.completed ? "x" : " ")] \(name(of: task))  \(text)"))
    }
    return StorageVerb.damage(findings, console)
  }

  /// The id with the owner in front, as `record` names tasks.
  private func name(of task: TaskItem) -> String {
    [task.owner?.user, task.owner?.project, task.id].compactMap { $0 }.joined(separator: "/")
  }

  private func encode(_ task: TaskItem, to root: inout JSONBuilder) {
    root.member("id", task.id)
    root.member("user", ifPresent: task.owner?.user)
    root.member("project", ifPresent: task.owner?.project)
    root.member("title", ifPresent: task.title)
    root.member("description", task.description)
    root.member("completed", task.completed)
    root.member("created_at", task.createdAt)
    root.member("updated_at", task.updatedAt)
  }

  private func change(_ console: Console) throws {
    let (word, owner) = (task ?? "", StorageVerb.owner(owner))
    guard !dryRun else {
      if action != .add {
        let storage = try StorageVerb.view(store, shared)
        _ = try StorageVerb.find(in: storage) { try await $0.located(word, owner: owner) }
      }
      return tell(console, "\(action.rawValue) \(word)", nil)
    }
    let storage = try StorageVerb.open(
      store, shared, otherwise: action == .add ? StoreFormat.taskList.name : nil)
    let (action, title, description) = (action, title, description)
    let task: TaskItem = try StorageVerb.wait {
      switch action {
      case .complete: return try await storage.completeTask(word, owner: owner)
      case .delete:
        let task = try await storage.located(word, owner: owner)
        try await storage.deleteTask(word, owner: owner)
        return task
      case .update:
        var task = try await storage.located(word, owner: owner)
        if let title { task.title = title }
        if let description { task.description = description }
        task.updatedAt = await storage.timeText
        try await storage.update(task)
        return task
      case .add, .list: return try await storage.createTask(word, title: title, owner: owner)
      }
    }
    tell(console, "\(action.rawValue) \(name(of: task))", task)
  }

  private func tell(_ console: Console, _ what: String, _ task: TaskItem?) {
    StorageVerb.tell(Self.verb, console, isPlan: task == nil, what) { root in
      root.member("action", action.rawValue)
      guard let task else { return root.member("task", self.task ?? "") }
      root.key("task")
      root.object { encode(task, to: &$0) }
    }
  }
}
