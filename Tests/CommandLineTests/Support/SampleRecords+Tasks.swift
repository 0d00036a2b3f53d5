extension SampleRecords {
  private static let users = ["mira", "a/b~0", "naïve \"café\" 😀"]

  /// A task list: with no owners, by user, or by user and project; 12, 26 or 30 records.
  static func taskList(depth: Int) -> JSONValue {
    switch depth {
    case 0:
      return .make(["version": .text("1.0"), "tasks": .array((0..<12).map { task($0, nil) })])
    case 1:
      let lists = users.enumerated().map { index, user in
        JSONValue.Member(user, .array((0..<[11, 0, 12][index]).map { task($0, user) }))
      }
      return .make(["users": .object(users.map(owner)), "tasks_by_user": .object(lists)])
    default:
      let names = ["garden", "~1/", ""]
      let projects = names.enumerated().map { index, name in
        JSONValue.Member(
          name,
          .make([
            "id": .text(name), "name": .text("project \(index)"), "user_id": .text(users[index]),
          ]))
      }
      let lists = users.enumerated().map { index, user in
        JSONValue.Member(
          user, .object([.init(names[index], .array((0..<8).map { task($0, user) }))]))
      }
      return .make([
        "projects": .object(projects), "tasks": .object(lists),
        "users": .object(users.map(owner)),
      ])
    }
  }

  private static func owner(_ name: String) -> JSONValue.Member {
    .init(
      name, .make(["username": .text(name), "created_at": .text("2026-01-02T03:04:05.678901")]))
  }

  private static func task(_ index: Int, _ user: String?) -> JSONValue {
    let digits = String(index)
    let number = String(repeating: "0", count: 12 - digits.count) + digits
    return .object([
      .init("id", user == nil ? .text("0b54d9a5-6d38-4c5e-9f3c-\(number)") : .integer(index)),
      .init("title", .text("title \(texts[index % texts.count])")),
      .init("description", .text(texts[(index + 1) % texts.count])),
      .init("completed", .bool(index % 2 == 0)), .init("user", user.map(JSONValue.text) ?? .null),
      .init("created_at", .text("2026-01-0\(index % 9 + 1)T10:00:00")),
      .init("updated_at", .text("2026-02-0\(index % 9 + 1)T10:00:00")),
    ])
  }
}
