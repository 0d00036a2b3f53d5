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

  /// What stands where a list must be is kept apart, and the lists beside it are whole.
  @Test(arguments: ["7", #"{"x":1}"#])
  func noList(_ value: String) throws {
    let text = #"{"tasks_by_user":{"u0":\#(value),"u1":[\#(Self.task(1, "u1"))]}}"#
    let result = try Salvaged(Array(text.utf8), as: "tasks.json", kind: "task-list")
    #expect(result.account[.recovered].records == 1)
    #expect(try result.lines("irregular").map(SalvageTests.text) == [value == "7" ? "7" : "1"])
    #expect(!result.report.isWhole)
  }
}
