import LosslessJSON
import Records
import Salvage
import Stores
import SystemPackage
import TestSupport
import Testing

/// Task lists and snapshots of which a bracket, or a few bytes outside of strings, are damaged: no
/// record that is whole is lost, and what is no JSON is written anew.
struct DamagedFrameTests {
  private static func task(_ number: Int, _ user: String? = nil) -> String {
    let own = user.map { #" "user": "\#($0)","# } ?? ""
    return "{\n\"id\": \(number),\n\"title\": \"task \(number)\",\n\"completed\": false,\(own)\n"
      + "\"created_at\": \"2026-01-04T07:45:00\"\n}"
  }

  private static func list(_ numbers: Range<Int>, _ user: String? = nil) -> String {
    "[\n" + numbers.map { task($0, user) }.joined(separator: ",\n") + "\n]"
  }

  private static let byProject =
    #"{"projects":{},"tasks":{"ann":{"p":\#(list(0..<4)),"q":\#(list(4..<6))},"#
    + #""bob":{"p":\#(list(6..<8))}},"users":{"ann":{"username":"ann"}}}"#
  private static let byUser =
    #"{"users":{"ann":{"username":"ann"},"bob":{"username":"bob"}},"#
    + #""tasks_by_user":{"ann":\#(list(0..<3, "ann")),"bob":\#(list(3..<5, "bob"))}}"#
  private static let plain = #"{"version":"1.0","tasks":[T]}"#.replacing(
    "T",
    with: (0..<3).map {
      #"{"id":"3fa85f64-5717-4562-b3fc-2c963f66af0\#($0)","description":"d \#($0)","#
        + #""completed":false,"created_at":"2026-02-03T08:15:00Z","#
        + #""updated_at":"2026-02-04T17:02:11Z"}"#
    }.joined(separator: ","))
  private static let snapshot =
    #"{"intents":{"#
    + (0..<3).map {
      #""i\#($0)":{"intent_id":"i\#($0)","rtfs_intent_source":"","goal":"g","#
        + #""constraints":{"a":"b"},"status":"Active"}"#
    }.joined(separator: ",")
    + #"},"edges":[E],"version":"1.1","timestamp":5}"#.replacing(
      "E",
      with: (0..<2).map {
        #"{"from":"i\#($0)","to":"i2","edge_type":"Blocks","metadata":{"n":"\#($0)"},"weight":1.5}"#
      }.joined(separator: ","))

  private final class Collector: RecordSink {
    var names: [String] = []
    func take(_ record: inout Record) throws { names.append(record.label) }
    func note(_ finding: Finding) {}
  }

  /// The labels of the records in what was written, which must be JSON.
  private static func recovered(_ result: Salvaged) throws -> [String] {
    let sink = Collector()
    let path = result.scratch.file("out/recovered/\(result.name)")
    #expect(isJSON(try result.scratch.read("out/recovered/\(result.name)")))
    let format: StoreFormat = result.name == "s.json" ? .intentSnapshot : .taskList
    try format.read(DiskTree(path), ReadOptions(), sink)
    return sink.names.sorted()
  }

  private static func isJSON(_ bytes: [UInt8]) -> Bool {
    var buffer = ByteBuffer()
    buffer.append(bytes.span)
    var index = JSONIndex()
    do { try index.scan(buffer) } catch { return false }
    return true
  }

  private static func labels(_ text: String, as name: String) throws -> [String] {
    try recovered(Salvaged(Array(text.utf8), as: name))
  }

  private static let stores = [
    ("tasks.json", byProject), ("tasks.json", byUser), ("tasks.json", plain), ("s.json", snapshot),
  ]

  /// The tasks beside one that has a byte altered, put in or left out stay where they are.
  @Test(
    arguments: [
      (#""completed": false"#, "\"completed\u{1}: false"), (#""completed""#, "completed\""),
      (#""completed": f"#, #""completed"; f"#), (": false,", ": falsy,"), (": false,", ": false"),
      ("\"completed\"", "\"complet"), ("\"completed\"", "\"com\u{1B}[0mpleted\""),
      ("{\n\"id\"", "k\n\"id\""), ("}", "]"), (#""id": "#, "\"id\" "), ("task", "ta\"sk"),
      ("\"title\"", "\u{7F}title\""),
    ], [0, 1, 5])
  func oneTaskIsDamaged(_ damage: (was: String, now: String), _ number: Int) throws {
    let task = Self.task(number)
    let damaged = task.replacing(damage.was, with: damage.now)
    #expect(damaged != task)
    let text = Self.byProject.replacing(task, with: damaged)
    let all = try Self.labels(Self.byProject, as: "tasks.json")
    let result = try Salvaged(Array(text.utf8), as: "tasks.json")
    let lost = "task:\(number < 6 ? "ann" : "bob")/\([4, 5].contains(number) ? "q" : "p")/\(number)"
    // The end of the last of a list is told from the list's only where the task's own is whole.
    if damage.was == "}", number == 5 { return }
    #expect(try Self.recovered(result) == all.filter { $0 != lost })
    #expect(result.account[.quarantined].ranges == 1 && result.account[.irregular].records == 0)
  }

  /// So do those beside a conflict, in a task, around one and in two.
  @Test(arguments: [("\"title\": \"task 1\",\n", 1), (task(1) + ",\n", 0)])
  func aConflict(_ part: String, _ lost: Int) throws {
    let both = "<<<<<<< HEAD\n\(part)=======\n\(part)>>>>>>> theirs\n"
    let text = Self.byProject.replacing(part, with: both)
    let all = try Self.labels(Self.byProject, as: "tasks.json")
    let result = try Salvaged(Array(text.utf8), as: "tasks.json")
    #expect(
      Set(try Self.recovered(result)) == Set(all.filter { lost == 0 || $0 != "task:ann/p/1" }))
    #expect(result.account[.irregular].records == 0)
  }

  /// Behind a hole that may be the end of one list and the head of another nothing is placed by it,
  /// be it that the halves of two tasks look like one.
  @Test(arguments: [
    ("task 1\",\n", "\"title\": \"task 4\",\n"), ("\"completed", "d_at"),
    ("\"title", "task 4\",\n"),
  ])
  func halvesOfTwo(_ cut: (from: String, to: String)) throws {
    let (first, second) = (Self.task(1), Self.task(4))
    let head = try #require(Self.byProject.firstRange(of: first))
    let tail = try #require(Self.byProject.firstRange(of: second))
    let from = try #require(first.firstRange(of: cut.from))
    let to = try #require(second.firstRange(of: cut.to))
    let text =
      Self.byProject[..<head.lowerBound] + first[..<from.lowerBound] + second[to.lowerBound...]
      + Self.byProject[tail.upperBound...]
    let result = try Salvaged(Array(text.utf8), as: "tasks.json")
    let names = try Self.recovered(result)
    #expect(!names.contains("task:ann/p/5") && names.contains("task:ann/p/0"))
    #expect(result.account[.irregular].records > 0)
  }

  /// A part of a torn task that is like a task is none.
  @Test func aTaskInATornOne() throws {
    let inner = #""parts": [\#(Self.task(8)),\#(Self.task(9))],"#
    let torn = Self.task(1).replacing("\"id\": 1,", with: "\"id\" 1,\(inner)")
    let text = Self.byProject.replacing(Self.task(1), with: torn)
    let result = try Salvaged(Array(text.utf8), as: "tasks.json")
    let names = try Self.recovered(result)
    #expect(names.contains("task:ann/p/0"))
    #expect(!names.contains { $0.hasSuffix("/8") || $0.hasSuffix("/9") })
  }

  /// A task that lost its end and the end of its list takes the list behind it for its own; where that
  /// has a damaged task too, the list is found by its name, which another user's has.
  @Test func aListInATaskThatIsDamaged() throws {
    let whole =
      #"{"projects":{},"tasks":{"ann":{"p":\#(Self.list(0..<4)),"q":\#(Self.list(4..<6))},"#
      + #""bob":{"q":\#(Self.list(6..<8))}},"users":{"ann":{"username":"ann"}}}"#
    let damaged = whole.replacing(Self.task(3) + "\n]", with: String(Self.task(3).dropLast(2)))
      .replacing("task 5", with: "task\u{1}5")
    let result = try Salvaged(Array(damaged.utf8), as: "tasks.json", kind: "task-list")
    let labels = ["ann/p/0", "ann/p/1", "ann/p/2", "bob/q/6", "bob/q/7"].map { "task:\($0)" }
    #expect(try Self.recovered(result) == labels + ["user:ann"])
    // Whose it is, is lost.
    #expect(try result.lines("irregular").count == 1)
    #expect(result.account[.irregular].records == 1)
  }

  /// The last task of a list is damaged, where tasks have objects in them: the list ends behind it if
  /// all brackets are there. Else the next one may be of anyone.
  @Test(arguments: [
    (#""title" "task 4""#, true), (#""title" "task 4", "x": {"#, false),
    (#""title": "task 4", }"#, false),
  ])
  func theLastTaskIsDamaged(_ title: String, _ isBalanced: Bool) throws {
    func task(_ number: Int) -> String {
      Self.task(number).dropLast(2) + ",\n\"tags\": [{\"a\": 1}]\n}"
    }
    let list = "[\n" + (0..<5).map(task).joined(separator: ",\n") + "\n]"
    let damaged = list.replacing(#""title": "task 4""#, with: title)
    let text = #"{"projects":{},"tasks":{"ann":{"p":\#(damaged),"q":\#(Self.list(5..<7))}}}"#
    let result = try Salvaged(Array(text.utf8), as: "tasks.json", kind: "task-list")
    let placed = (0..<4).map { "task:ann/p/\($0)" }
    let others = ["task:ann/q/5", "task:ann/q/6"]
    #expect(try Self.recovered(result) == placed + (isBalanced ? others : []))
    #expect(result.account[.irregular].records == (isBalanced ? 0 : 2))
  }

  /// Many tasks behind a damaged one take a time that goes with their number.
  @Test func manyTasks() throws {
    let text = #"{"tasks":{"ann":{"p":\#(Self.list(0..<2000))}}}"#
    let damaged = text.replacing("\"completed\": false", with: "\"completed\" false")
    let result = try Salvaged(Array(damaged.utf8), as: "tasks.json")
    #expect(result.account[.recovered].records == 1999)
  }

  /// Without its first bytes no store is sound, whichever they are, and all of it is written anew.
  @Test(arguments: stores.indices)
  func theHeadIsMissing(_ store: Int) throws {
    let (name, text) = Self.stores[store]
    let kind = name == "s.json" ? "intent-snapshot" : "task-list"
    let all = try Self.labels(text, as: name)
    let key = try #require(text.firstRange(of: #"":"#))
    let most = text.utf8.distance(from: text.startIndex, to: key.upperBound)
    for count in 1...most {
      let result = try Salvaged(Array(text.utf8.dropFirst(count)), as: name, kind: kind)
      #expect(!result.report.isWhole, "\(count)")
      let names = try Self.recovered(result)
      if count == 1 { #expect(names == all, "\(count)") }
    }
    for more in [",", "}", "{", "]"] {
      for bytes in [more + text, text + more] {
        let result = try Salvaged(Array(bytes.utf8), as: name, kind: kind)
        #expect(!result.report.isWhole && !bytes.isEmpty, "\(more)")
        _ = try Self.recovered(result)
      }
    }
  }

  /// A store that lacks any one of its brackets, commas, colons and quotes is written anew.
  @Test(arguments: stores.indices)
  func oneByteOfTheFrame(_ store: Int) throws {
    let (name, text) = Self.stores[store]
    let kind = name == "s.json" ? "intent-snapshot" : "task-list"
    for at in text.utf8.indices where "{}[],:".utf8.contains(text.utf8[at]) {
      var bytes = Array(text.utf8)
      bytes.remove(at: text.utf8.distance(from: text.startIndex, to: at))
      if Self.isJSON(bytes) { continue }
      let result = try Salvaged(bytes, as: name, kind: kind)
      #expect(!result.report.isWhole, "\(text[..<at].suffix(20))")
      _ = try Self.recovered(result)
    }
  }

  /// Nor does a list without its first bracket, or users without their last, cost a record.
  @Test(arguments: stores.indices)
  func theBracketOfAList(_ store: Int) throws {
    let (name, text) = Self.stores[store]
    let all = try Self.labels(text, as: name)
    for bracket in [":[\n{\n\"id\"", #":[{"id""#, #":[{"from""#, #""}},"tasks"#] {
      for place in text.ranges(of: bracket) {
        let at = text.index(place.lowerBound, offsetBy: bracket.hasPrefix(":") ? 1 : 3)
        let damaged = text[..<at] + text[text.index(after: at)...]
        let result = try Salvaged(Array(damaged.utf8), as: name)
        #expect(try Self.recovered(result) == all, "\(damaged[at...].prefix(40))")
        #expect(!result.report.isWhole)
      }
    }
  }

  /// What is cut off right in front of a record begins with that.
  @Test(arguments: [
    ("s.json", #"{"intent_id":"i1""#, [RecordKind.intent: 2, .edge: 2]),
    ("s.json", #"{"from":"i1""#, [.edge: 1]),
    ("tasks.json", #"{"id":"3fa85f64-5717-4562-b3fc-2c963f66af01""#, [.task: 2]),
  ])
  func cutInFrontOfARecord(_ name: String, _ start: String, _ counts: [RecordKind: Int]) throws {
    let text = name == "s.json" ? Self.snapshot : Self.plain
    let place = try #require(text.firstRange(of: start))
    let result = try Salvaged(
      Array(text[place.lowerBound...].utf8), as: name, kind: name == "s.json" ? nil : "task-list")
    #expect(result.report.counts == counts)
    #expect(!result.report.isWhole && result.report.inputs[0].kind != "jsonl")
  }

  /// In a list that is whole a user may be called like a container.
  @Test func aUserCalledTasks() throws {
    let text = #"{"users":{"tasks_by_user":{"username":"tasks_by_user"}},"tasks_by_user":{}}"#
    let result = try Salvaged(Array(text.utf8), as: "tasks.json")
    #expect(result.report.isWhole && result.report.counts == [.user: 1])
  }

  /// A text in front of the members of intents makes no file of lines of them.
  @Test(arguments: [#""(< x 59)""#, "5"])
  func theFirstLineIsAScalar(_ line: String) throws {
    let intents = try #require(Self.snapshot.firstRange(of: #""i1""#))
    let text = "\(line)\n},\"status\":\"Active\"},\n" + Self.snapshot[intents.lowerBound...]
    let result = try Salvaged(Array(text.utf8), as: "s.json")
    #expect(result.report.inputs[0].kind == "intent-snapshot")
    #expect(result.report.counts == [.intent: 2, .edge: 2])
  }
}

extension StringProtocol {
  /// The first of `part` replaced.
  fileprivate func replacing(_ part: some StringProtocol, with other: String) -> String {
    guard let range = firstRange(of: part) else { return String(self) }
    return String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
  }
}
