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
}
