import Disk
import Records
import Salvage
import Stores
import SystemPackage
import TestSupport
import Testing

/// Task lists with holes in them: every whole task comes back under its own user and project, or
/// apart where these are lost.
struct TaskListTests {
  private static func task(_ number: Int, _ user: String?) -> String {
    let own = user.map { #","user":"\#($0)""# } ?? ""
    return #"{"id":\#(number),"title":"task \#(number)","completed":false\#(own),"#
      + #""created_at":"2026-01-04T07:45:00","tags":[{"a":1}]}"#
  }

  private struct Piece {
    /// As `user/project/task`, from the containers.
    var name: String
    var range: Range<Int>
  }

  private static func build(byProject: Bool) -> (bytes: [UInt8], pieces: [Piece]) {
    var text = ""
    var pieces: [Piece] = []
    let projects = ["p", "q"]
    if byProject {
      text += #"{"projects":{"#
      for user in 0..<4 {
        for (index, project) in projects.enumerated() {
          text += user + index == 0 ? "" : ","
          text += #""\#(project)\#(user)":{"id":"\#(project)\#(user)","user_id":"u\#(user)"}"#
        }
      }
      text += #"},"tasks":{"#
    } else {
      text += #"{"tasks_by_user":{"#
    }
    var number = 0
    func list(_ path: String, _ user: String?) {
      text += "["
      for index in 0..<6 {
        text += index == 0 ? "" : ","
        let start = text.utf8.count
        text += task(number, user)
        pieces.append(Piece(name: "\(path)/\(number)", range: start..<text.utf8.count))
        number += 1
      }
      text += "]"
    }
    for user in 0..<4 {
      text += user == 0 ? "" : ",\n"
      text += #""u\#(user)":"#
      if byProject {
        text += "{"
        for (index, project) in projects.enumerated() {
          text += (index == 0 ? "" : ",") + #""\#(project)\#(user)":"#
          list("u\(user)/\(project)\(user)", nil)
        }
        text += "}"
      } else {
        list("u\(user)", "u\(user)")
      }
    }
    text += #"},"users":{"u0":{"username":"u0","created_at":"2026-01-02T10:00:00"}}}"#
    return (Array(text.utf8), pieces)
  }

  private final class Collector: RecordSink {
    var names: Set<String> = []
    func take(_ record: inout Record) throws {
      if record.kind == .task { names.insert(String(record.label.dropFirst(5))) }
    }
    func note(_ finding: Finding) {}
  }

  @Test(arguments: [false, true])
  func holes(_ byProject: Bool) throws {
    var random = Seeded()
    let story = "HOLDFAST_SEED=\(random.seed) by project \(byProject)"
    for round in 0..<15 * rounds {
      var (bytes, pieces) = Self.build(byProject: byProject)
      let all = Set(pieces.map(\.name))
      for _ in 0..<round % 3 {
        let start = random.below(bytes.count)
        let end = min(bytes.count, start + 8 + random.below(300))
        bytes.replaceSubrange(start..<end, with: [UInt8](repeating: 0, count: end - start))
        pieces.removeAll { $0.range.overlaps(start..<end) }
      }
      let result = try Salvaged(bytes, as: "tasks.json", kind: "task-list")
      let sink = Collector()
      let path = result.scratch.file("out/recovered/tasks.json")
      try StoreFormat.taskList.read(DiskTree(path), ReadOptions(), sink)
      #expect(sink.names.subtracting(all) == [], "misplaced \(story) round \(round)")
      let whole = Set(pieces.map(\.name))
      let lost = whole.subtracting(sink.names)
      let apart = try result.lines("irregular").map(text).joined()
      for name in lost {
        let number = name.split(separator: "/").last ?? ""
        #expect(apart.contains(#""id":\#(number),"#), "lost \(name) \(story) round \(round)")
      }
      // The user is in the task itself where there are no projects.
      if !byProject { #expect(lost.isEmpty, "\(lost) \(story) round \(round)") }
      if lost.contains(where: { !apart.contains(#""id":\#($0.split(separator: "/").last ?? ""),"#) }
      ) {
        print("in", text(bytes.map { $0 == 0 ? 0x5F : $0 }))
      }
      let sum = Fate.allCases.reduce(0) { $0 + result.account[$1].bytes }
      #expect(sum == bytes.count, "\(story) round \(round)")
    }
  }

  /// The words above the tasks are gone with the first sector: what every task has tells what it is.
  @Test(arguments: [false, true], [false, true])
  func firstSectorLost(_ byUser: Bool, _ isPretty: Bool) throws {
    let time = #""created_at":"2026-01-02T10:00:00","updated_at":"2026-01-02T10:00:00""#
    let tasks = (0..<30).map { number in
      let text = byUser ? #""title":"t\#(number)","user":"ann""# : #""description":"t\#(number)""#
      let id = byUser ? "\(number)" : #""\#(number)-a""#
      return #"{"id":\#(id),\#(text),"completed":false,\#(time)}"#
    }
    let space = isPretty ? "\n  " : ""
    let list = "[\(space)\(tasks.joined(separator: "," + space))\(space)]"
    let whole =
      byUser ? #"{"tasks_by_user":{"ann":\#(list)}}"# : #"{"version":"1.0","tasks":\#(list)}"#
    let bytes = [UInt8](repeating: 0, count: 512) + Array(whole.utf8).dropFirst(512)
    let result = try Salvaged(bytes, as: "tasks.json")
    let left = text(bytes)
    let intact = tasks.count { left.contains($0) }
    #expect(intact > 20 && result.account[.recovered].records == intact)
  }

  /// What stands where a list must be is kept apart, and the lists beside it are whole.
  @Test(arguments: ["7", #"{"x":1}"#])
  func noList(_ value: String) throws {
    let text = #"{"tasks_by_user":{"u0":\#(value),"u1":[\#(Self.task(1, "u1"))]}}"#
    let result = try Salvaged(Array(text.utf8), as: "tasks.json", kind: "task-list")
    #expect(result.account[.recovered].records == 1)
    #expect(try result.lines("irregular").map(SalvageTests.text) == [value == "7" ? "7" : "1"])
    #expect(!result.report.isWhole)
  }

  /// Two users with projects of the same names, all of which belong to the first.
  private static func shared(_ saysUser: Bool) -> String {
    func task(_ number: Int, _ user: String) -> String { Self.task(number, saysUser ? user : nil) }
    return #"{"projects":{"p1":{"id":"p1","user_id":"ann"},"p2":{"id":"p2","user_id":"ann"}},"#
      + #""tasks":{"ann":{"p1":[\#(task(0, "ann"))],"p2":[\#(task(1, "ann"))]},"#
      + #""bob":{"p1":[\#(task(2, "bob")),\#(task(3, "bob"))],"p2":[\#(task(4, "bob"))],"#
      + #""p3":[\#(task(5, "bob"))]},"cy":{"p1":[\#(task(6, "cy"))]}},"users":{}}"#
  }

  /// Damage in a task or in the key of its user gives none of that user's tasks to another, whoever
  /// owns the projects: what a task says of its user counts, and what says nothing stays apart.
  @Test(
    arguments: [
      (#""task 3""#, "\"\u{0}\"", [3]), (#""bob":{"#, "\"b\u{0}b\":{", []),
      (#"},"bob":{"#, "", []), (#"3","completed":false"#, #"3""#, [3]),
    ], [true, false])
  func noTaskOfAnother(_ damage: (was: String, now: String, lost: [Int]), _ saysUser: Bool) throws {
    let places = ["ann/p1/", "ann/p2/", "bob/p1/", "bob/p1/", "bob/p2/", "bob/p3/", "cy/p1/"]
    let truth = places.enumerated().map { "\($1)\($0)" }
    let whole = truth.indices.filter { !damage.lost.contains($0) }
    var damaged = replace(damage.was, damage.now, Self.shared(saysUser))
    // Nothing but what is behind the task tells that its end is missing.
    if damage.was.contains("completed") {
      let start = #"3""#
      let from = try #require(range(of: start, damaged))
      let to = try #require(range(of: #""p2":["# + Self.task(4, saysUser ? "bob" : nil), damaged))
      damaged = damaged[..<(from + start.utf8.count)] + Array(",".utf8) + damaged[to...]
    }
    let result = try Salvaged(damaged, as: "tasks.json", kind: "task-list")
    let sink = Collector()
    let path = result.scratch.file("out/recovered/tasks.json")
    try StoreFormat.taskList.read(DiskTree(path), ReadOptions(), sink)
    #expect(sink.names.isSubset(of: Set(whole.map { truth[$0] })), "\(sink.names)")
    let apart = try result.lines("irregular").map(text).joined()
    for number in whole where !sink.names.contains(truth[number]) {
      #expect(!saysUser, "\(number) of \(sink.names)")
      #expect(apart.contains(#""id":\#(number),"#), "\(number)")
    }
    #expect(!result.report.isWhole)
  }

  /// Behind a few bad bytes in a text of a task its list goes on; more of them may hide that it ends.
  @Test(arguments: [(1, true), (8, true), (30, false)])
  func badBytesInATask(_ count: Int, _ isKnown: Bool) throws {
    let bad = String(repeating: "\u{0}", count: count)
    let list = [Self.task(0, nil), Self.task(1, nil), Self.task(2, nil)].joined(separator: ",")
    let damaged = replace("task 1", bad, #"{"projects":{},"tasks":{"ann":{"p":[\#(list)]}}}"#)
    let result = try Salvaged(damaged, as: "tasks.json", kind: "task-list")
    let sink = Collector()
    let path = result.scratch.file("out/recovered/tasks.json")
    try StoreFormat.taskList.read(DiskTree(path), ReadOptions(), sink)
    #expect(sink.names == (isKnown ? ["ann/p/0", "ann/p/2"] : ["ann/p/0"]))
    #expect(result.account[.irregular].records == (isKnown ? 0 : 1))
  }

  /// The end of one list is lost with that of its last task, and the next has a bad byte: the tasks in
  /// front of that are whole.
  @Test func aListInATask() throws {
    func list(_ user: String, _ numbers: Range<Int>) -> String {
      #""\#(user)":[\#(numbers.map { Self.task($0, user) }.joined(separator: ","))]"#
    }
    let whole = #"{"tasks_by_user":{\#(list("ann", 0..<4)),\#(list("bob", 4..<7))}}"#
    let last = Self.task(3, "ann")
    let torn = replace(last + "]", String(last.dropLast()), whole)
    let damaged = replace("task 5", "task\u{1}5", text(torn))
    let result = try Salvaged(damaged, as: "tasks.json", kind: "task-list")
    let sink = Collector()
    let path = result.scratch.file("out/recovered/tasks.json")
    try StoreFormat.taskList.read(DiskTree(path), ReadOptions(), sink)
    #expect(sink.names == ["ann/0", "ann/1", "ann/2", "bob/4", "bob/6"])
  }

  /// Of a list that lost its head the keys and the tasks tell the shape.
  @Test(arguments: [
    (#"s":{"u":{"p":[T]},"#, "u/p/0"), (#"_user":{"u":[T],"#, "u/0"), (#"{"p":[T],"#, "u/p/0"),
  ])
  func theShapeIsLost(_ start: String, _ place: String) throws {
    let rest = #""v":{"q":[\#(Self.task(1, "v"))]}}}"#
    let text =
      "\u{0}\u{0}" + start
      + (place == "u/0"
        ? #""v":[\#(Self.task(1, "v"))]}}"# : start.first == "{" ? "}," + rest : rest)
    let bytes = replace("T]", "\(Self.task(0, "u"))]", text)
    let result = try Salvaged(bytes, as: "tasks.json", kind: "task-list")
    let sink = Collector()
    let path = result.scratch.file("out/recovered/tasks.json")
    try StoreFormat.taskList.read(DiskTree(path), ReadOptions(), sink)
    #expect(sink.names == [place, place == "u/0" ? "v/1" : "v/q/1"])
  }

  /// Where each list stands under the owner of its project, the owner tells as well.
  @Test func theOwnerOfAProject() throws {
    let text =
      #"{"projects":{"p":{"id":"p","user_id":"ann"},"q":{"id":"q","user_id":"bob"}},"#
      + #""tasks":{"ann":{"p":[\#(Self.task(0, nil))]},"#
      + "\"b\u{0}\":{\"q\":[\(Self.task(1, nil))]}}}"
    let result = try Salvaged(Array(text.utf8), as: "tasks.json", kind: "task-list")
    let sink = Collector()
    let path = result.scratch.file("out/recovered/tasks.json")
    try StoreFormat.taskList.read(DiskTree(path), ReadOptions(), sink)
    #expect(sink.names == ["ann/p/0", "bob/q/1"])
  }

  /// A list of tasks whose head is damaged is one by what is left of it.
  @Test(arguments: [
    (#"{"users":{"u":{"username":"u","created_at": x"}},"tasks_by_user":{"u":[T]}}"#, 2),
    ("{\"users\":{\"u\":{\"username\":\"u\"}},\"tasks_by\u{0}user\":{\"u\":[T]}}", 3),
    (#"["users":{"u":{"username":"u"}},"tasks_by_user":{"u":[T]}}"#, 3),
    ("{\"version\":\"1.0\",\"ta\u{0}ks\":[T]}", 2),
    (#"x"version":"1.0","tasks":[T]}"#, 2),
    ("{\"projects\":{\"p\":{\"id\":\"p\",\"user_id\":\u{0}}},\"tasks\":{\"u\":{\"p\":[T]}}}", 2),
  ])
  func recognisedBehindDamage(_ frame: String, _ count: Int) throws {
    let tasks = (0..<2).map {
      let id = frame.contains("version") ? #""3fa85f64-5717-4562-b3fc-2c963f66af0\#($0)""# : "\($0)"
      return #"{"id":\#(id),"title":"t","description":"d","completed":false,"user":"u","#
        + #""created_at":"2026-01-04T07:45:00Z","updated_at":"2026-01-04T07:45:00Z"}"#
    }
    let bytes = replace("[T]", "[\(tasks.joined(separator: ","))]", frame)
    let result = try Salvaged(bytes, as: "tasks.json")
    #expect(result.report.inputs[0].kind == "task-list")
    #expect(result.account[.recovered].records == count)
  }

  /// Other documents and lines with the same fields are none, be they damaged.
  @Test(arguments: [
    "{\"todos\":[{\"id\":1,\"title\":\"t\u{0}\",\"completed\":false}]}",
    "{\"id\":1,\"title\":\"t\u{0}\",\"completed\":false,\"username\":\"u\"}\n"
      + "{\"id\":2,\"title\":\"t\",\"completed\":true,\"username\":\"u\"}\n"
      + "{\"id\":3,\"title\":\"t\",\"completed\":true,\"username\":\"u\"}\n",
    "{\"version\":\"2.0.0\",\"tasks\":[{\"label\":\"build\u{0}\",\"type\":\"shell\"}]}",
  ])
  func notRecognisedBehindDamage(_ text: String) throws {
    let result = try Salvaged(Array(text.utf8), as: "tasks.json")
    #expect(result.report.inputs[0].kind != "task-list")
  }
}

/// Where `part` starts in `text`.
private func range(of part: String, _ text: [UInt8]) -> Int? {
  let part = Array(part.utf8)
  return text.indices.first { text[$0...].starts(with: part) }
}

/// The text with the first `part` in it replaced.
private func replace(_ part: String, _ other: String, _ text: String) -> [UInt8] {
  let all = Array(text.utf8)
  guard let start = range(of: part, all) else { return all }
  return all[..<start] + Array(other.utf8) + all[(start + part.utf8.count)...]
}
