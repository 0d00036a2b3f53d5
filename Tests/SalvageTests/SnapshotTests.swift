import LosslessJSON
import Records
import Salvage
import Stores
import SystemPackage
import TestSupport
import Testing

/// Intent snapshots with holes in them: what is whole comes back, and nothing else.
struct SnapshotTests {
  private struct Piece {
    var range: Range<Int>
    var value: String
  }

  private static func intent(_ number: Int, _ random: inout Seeded) -> String {
    var lines = GraphLines(random: Seeded(random.next()))
    return #"{"intent_id":"i\#(number)","name":null,"original_request":"\#(lines.text())","#
      + #""rtfs_intent_source":"","goal":"\#(lines.text())","constraints":{"c":"(< x \#(number))"},"#
      + #""preferences":{},"success_criteria":null,"parent_intent":null,"child_intents":[],"#
      + #""triggered_by":"HumanRequest","generation_context":{"arbiter_version":"1","#
      + #""generation_timestamp":1,"input_context":{"edge_type":"no"},"reasoning_trace":null},"#
      + #""status":"Active","priority":1,"created_at":1,"updated_at":2,"metadata":{"intent_id":"x"}}"#
  }

  private static func build(_ random: inout Seeded, pretty: Bool) -> ([UInt8], [Piece]) {
    let feed = pretty ? "\n    " : ""
    let space = pretty ? " " : ""
    var text = "{\(feed)\"intents\":\(space){"
    var pieces: [Piece] = []
    func add(_ value: String, _ key: String, _ isFirst: Bool) {
      text += "\(isFirst ? "" : ",")\(feed)"
      let start = text.utf8.count
      text += key + value
      pieces.append(Piece(range: start..<text.utf8.count, value: value))
    }
    for number in 0..<12 { add(intent(number, &random), "\"i\(number)\":\(space)", number == 0) }
    text += "\(feed)},\(feed)\"edges\":\(space)["
    for number in 0..<8 {
      add(
        #"{"from":"i\#(number)","to":"i0","edge_type":"Blocks","metadata":{"n":"\#(number)"},"weight":1.5}"#,
        "", number == 0)
    }
    text += "\(feed)],\(feed)\"version\":\"1.1\",\"timestamp\":5,\"manifest\":null,\"rtfs\":null}"
    return (Array(text.utf8), pieces)
  }

  private static func records(_ path: FilePath) throws -> [String] {
    let sink = Collector()
    try StoreFormat.intentSnapshot.read(DiskTree(path), ReadOptions(), sink)
    return sink.values
  }

  private final class Collector: RecordSink {
    var values: [String] = []
    func take(_ record: inout Record) throws {
      var out = ByteBuffer()
      record.text.appendCompact(to: &out)
      values.append(String(decoding: out.array, as: UTF8.self))
    }
    func note(_ finding: Finding) {}
  }

  @Test(arguments: [false, true])
  func holes(_ pretty: Bool) throws {
    var random = Seeded()
    let story = "HOLDFAST_SEED=\(random.seed) pretty \(pretty)"
    for round in 0..<25 * rounds {
      var (bytes, pieces) = Self.build(&random, pretty: pretty)
      // A record whose key is gone is whole all the same.
      var objects = pieces.map { piece in
        Piece(
          range: piece.range.upperBound - piece.value.utf8.count..<piece.range.upperBound,
          value: piece.value)
      }
      for _ in 0..<round % 4 {
        let start = random.below(bytes.count)
        let end = min(bytes.count, start + 16 + random.below(600))
        let fill =
          random.chance(2) ? random.noise(end - start) : [UInt8](repeating: 0, count: end - start)
        bytes.replaceSubrange(start..<end, with: fill)
        pieces.removeAll { $0.range.overlaps(start..<end) }
        objects.removeAll { $0.range.overlaps(start..<end) }
      }
      if random.chance(4) {
        let end = random.below(bytes.count)
        bytes.removeSubrange(end...)
        pieces.removeAll { $0.range.upperBound > end }
        objects.removeAll { $0.range.upperBound > end }
      }
      let result = try Salvaged(bytes, as: "snapshot.json", kind: "intent-snapshot")
      let found = Set(try Self.records(result.scratch.file("out/recovered/snapshot.json")))
      let truth = Set(pieces.map(\.value))
      let bare = Set(objects.map(\.value))
      #expect(truth.subtracting(found) == [], "lost \(story) round \(round)")
      #expect(found.subtracting(bare) == [], "invented \(story) round \(round)")
      let sum = Fate.allCases.reduce(0) { $0 + result.account[$1].bytes }
      #expect(sum == bytes.count)
    }
  }

  /// The records of a full RTFS text come back where the JSON is gone, each with its origin.
  @Test func recordsFromRTFS() throws {
    let intent = #"(intent {:id \"only\" :goal \"g\" :status \"Active\" :priority 3 })"#
    let text =
      #"{"intents":{"#
      + String(repeating: "\u{0}", count: 50)
      + #"},"edges":[],"version":"1.1","rtfs":"(intent-graph\n  (intents\n    \#(intent)\n  )\n)\n"}"#
    let result = try Salvaged(Array(text.utf8), as: "snapshot.json")
    #expect(result.report.filled.named.map(\.record) == ["intent:only"])
    #expect(try result.lines("irregular").count == 1)
    #expect(result.account[.irregular].records == 1)
  }

  /// Damage in the RTFS text costs the record that it is in, and none behind it.
  @Test(arguments: [
    ("none", "", 4), ("over a key", "n1\u{0}\u{0}\u{0}:goal", 3), ("escape", #"n1\q :goal"#, 3),
    ("escape cut short", #"n1\ux :goal"#, 3), ("between", "", 4),
  ])
  func damageInRTFS(_ place: String, _ damage: String, _ count: Int) throws {
    var lines = (0..<4).map {
      #"(intent {:id \"n\#($0)\" :goal \"g\" :status \"Active\" :priority 3 })"#
    }
    if !damage.isEmpty {
      let parts = lines[1].split(separator: #"n1\" :goal"#)
      lines[1] = parts[0] + damage + parts[1]
    }
    if place == "between" { lines.insert("\u{0}\u{0}\u{0}", at: 2) }
    let rtfs = #"(intent-graph\n  (intents\n"# + lines.map { $0 + #"\n"# }.joined() + #"  )\n)\n"#
    let text = #"{"intents":{},"edges":[],"version":"1.1","rtfs":"\#(rtfs)"}"#
    let result = try Salvaged(Array(text.utf8), as: "snapshot.json", kind: "intent-snapshot")
    let wanted = (0..<4).filter { count == 4 || $0 != 1 }.map { "intent:n\($0)" }
    #expect(result.report.filled.named.map(\.record) == wanted)
    #expect(result.account[.irregular].records == count)
    #expect((result.account[.quarantined].bytes > 0) == (place != "none"))
  }

  /// A record without the end of a string takes lines for its own, but not all that follow; the ends
  /// of lists may stand behind the last one of a list, and nothing else.
  @Test(arguments: [("open", 1), ("rest", 1), ("ends", nil)])
  func linesOfRTFS(_ how: String, _ lost: Int?) throws {
    var lines = (0..<4).map {
      #"(intent {:id \"n\#($0)\" :goal \"g\" :status \"Active\" :priority 3 })"#
    }
    switch how {
    case "open":
      lines[1] = #"(intent {:id \"n1"#
      lines.insert(contentsOf: Array(repeating: "; a comment", count: 70), at: 2)
    case "rest": lines[1] += " x"
    default:
      lines[1] += "))"
      lines[3] += " ) )"
    }
    let rtfs = #"(intent-graph\n  (intents\n"# + lines.joined(separator: #"\n"#)
    let text = #"{"intents":{},"edges":[],"version":"1.1","rtfs":"\#(rtfs)"}"#
    let result = try Salvaged(Array(text.utf8), as: "snapshot.json", kind: "intent-snapshot")
    let wanted = (0..<4).filter { $0 != lost }.map { "intent:n\($0)" }
    #expect(result.report.filled.named.map(\.record) == wanted)
    #expect(result.account[.irregular].records == wanted.count)
    #expect(result.account[.quarantined].ranges == (lost == nil ? 0 : 1))
  }

  /// Records that Holdfast wrapped, for they are of a scope, stay wrapped, be the frame damaged.
  @Test(arguments: [#""timestamp":5"#, #""timestamp";5"#])
  func wrappedRecords(_ end: String) throws {
    let edge =
      #"{"$scope":"a","$record":{"from":"x","to":"y","edge_type":"Blocks","metadata":{}}}"#
    let plan = #"{"$scope":"b","$record":{"plan_id":"p","steps":[]}}"#
    let text = #"{"version":"1.1","intents":{},"edges":[\#(edge)],"plans":[\#(plan)],\#(end)}"#
    let result = try Salvaged(Array(text.utf8), as: "snapshot.json", kind: "intent-snapshot")
    #expect(result.report.counts == [.edge: 1, .plan: 1])
    let written = SalvageTests.text(try result.scratch.read("out/recovered/snapshot.json"))
    #expect(written.contains(edge) && written.contains(plan), "\(written)")
  }

  /// Behind damage, a record that is longer than what is read at a time, and one whose end is just
  /// not read yet.
  @Test(arguments: [1_500_000, 1_047_900])
  func longBehindDamage(_ length: Int) throws {
    func intent(_ id: String, _ goal: String) -> String {
      #"{"intent_id":"\#(id)","name":null,"original_request":"r","rtfs_intent_source":"","#
        + #""goal":"\#(goal)","constraints":{},"preferences":{},"success_criteria":null,"#
        + #""status":"Active","created_at":1,"updated_at":1,"metadata":{}}"#
    }
    let wanted = [intent("long", String(repeating: "y", count: length)), intent("b", "g")]
    let text =
      "{\"intents\":{\"lost\":{\"inten\u{0}}, \"long\":\(wanted[0]), \"b\":\(wanted[1])},\"edges\":[]}"
    let result = try Salvaged(Array(text.utf8), as: "snapshot.json", kind: "intent-snapshot")
    let found = try Self.records(result.scratch.file("out/recovered/snapshot.json"))
    #expect(found.map { String($0.suffix(200)) } == wanted.map { String($0.suffix(200)) })
    #expect(found.map(\.utf8.count) == wanted.map(\.utf8.count))
    #expect(result.account[.quarantined].bytes < 40)
  }
}
