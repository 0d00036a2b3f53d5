import Salvage
import TestSupport
import Testing

/// A snapshot that lacks one byte of its frame: a record without its end takes what is behind it for
/// its own, and the text may still parse for a long way.
struct TornSnapshotTests {
  private static let count = 3

  private static func intent(_ number: Int) -> String {
    #""i-\#(number)":{"intent_id":"i-\#(number)","name":null,"original_request":"r","#
      + #""rtfs_intent_source":"","goal":"g","constraints":{"a":"b"},"preferences":{},"#
      + #""success_criteria":null,"status":"Active","created_at":1,"updated_at":1,"#
      + #""metadata":{"k":"v"}}"#
  }

  private static func edge(_ number: Int) -> String {
    #"{"from":"i-\#(number)","to":"i-0","edge_type":"DependsOn","weight":null,"#
      + #""metadata":{"n":"\#(number)"}}"#
  }

  private static let intents = (0..<count).map(intent)
  private static let edges = (0..<count).map(edge)
  private static let whole = Array(
    (#"{"version":"1.1","timestamp":"t","intents":{"# + intents.joined(separator: ",")
      + #"},"edges":["# + edges.joined(separator: ",") + "]}").utf8)

  /// A shorter snapshot written over a longer one: the end of that one has older versions of intents, and
  /// an object has room for one under a key.
  @Test func olderVersionsBehindTheEnd() throws {
    let newer = Self.intents.prefix(2).map {
      $0.replacing(#""updated_at":1"#, with: #""updated_at":2"#)
    }
    func snapshot(_ intents: [String]) -> String {
      #"{"version":"1.1","timestamp":"t","intents":{"# + intents.joined(separator: ",")
        + #"},"edges":[]}"#
    }
    let new = Array(snapshot([newer[0]]).utf8)
    let old = Array(snapshot((0..<4).reversed().map(Self.intent)).utf8)
    for (bytes, updated) in [
      (new + old.dropFirst(new.count), [2, 1]),
      (Array(snapshot(Self.intents).utf8.dropLast(20)) + Array(snapshot(newer).utf8), [2, 2]),
    ] {
      let result = try Salvaged(bytes, as: "s.json", kind: "intent-snapshot")
      let recovered = try text(result.scratch.read("out/recovered/s.json"))
      for (number, time) in updated.enumerated() {
        let versions = recovered.split(separator: #""intent_id":"i-\#(number)""#).dropFirst()
        #expect(versions.count == 1, "\(recovered)")
        #expect(versions.first?.contains(#""updated_at":\#(time)"#) == true, "\(recovered)")
      }
      #expect(try !result.lines("irregular").isEmpty)
      #expect(Fate.allCases.reduce(0) { $0 + result.account[$1].bytes } == bytes.count)
    }
  }

  /// Each bracket and each comma in turn.
  @Test func oneByteOfTheFrameIsMissing() throws {
    let sound = try Salvaged(Self.whole, as: "s.json", kind: "intent-snapshot")
    #expect(sound.report.isWhole && sound.account[.recovered].records == 2 * Self.count)
    let marks = Set("{}[],".utf8)
    for at in Self.whole.indices where marks.contains(Self.whole[at]) {
      var bytes = Self.whole
      bytes.remove(at: at)
      let result = try Salvaged(bytes, as: "s.json", kind: "intent-snapshot")
      let story = "byte \(at), \(UnicodeScalar(Self.whole[at]))"
      #expect(!result.report.isWhole, "\(story)")
      let recovered = try result.scratch.read("out/recovered/s.json")
      let text = text(recovered)
      let lost = (Self.intents + Self.edges).filter { !text.contains($0) }
      // The one that the byte was in; not even that where it stood between two.
      #expect(lost.count <= 1, "\(story): lost \(lost.count)")
      // What was written is a snapshot: all of it is recovered again, and no more.
      let again = try Salvaged(recovered, as: "s.json", kind: "intent-snapshot")
      #expect(again.report.isWhole, "\(story): \(text)")
      #expect(again.account[.recovered].records <= 2 * Self.count, "\(story)")
    }
  }

  /// Without the bracket of a member, an intent ends with that member and its last bracket ends all
  /// of them: it is one loss, and the intents behind it are none of the outermost object's members.
  @Test(arguments: [#""constraints":{"#, #""metadata":{"#], 0..<count)
  func aBracketInARecordIsMissing(_ word: String, _ number: Int) throws {
    let torn = Self.intents[number].replacing(word, with: "")
    let bytes = Array(text(Self.whole).replacing(Self.intents[number], with: torn).utf8)
    let result = try Salvaged(bytes, as: "s.json", kind: "intent-snapshot")
    #expect(result.account[.recovered].records == 2 * Self.count - 1)
    #expect(result.account[.quarantined].ranges == 1 && result.account[.irregular].records == 0)
    #expect(result.report.counts == [.intent: Self.count - 1, .edge: Self.count])
    let recovered = text(try result.scratch.read("out/recovered/s.json"))
    for other in Self.intents.indices {
      #expect((recovered.range(of: Self.intents[other]) != nil) == (other != number))
    }
  }

  /// The intent in front of one that lost its head is whole: what follows it is not its own.
  @Test(arguments: 0..<count) func theHeadOfARecordIsMissing(_ number: Int) throws {
    let head = #""i-\#(number)":{"intent_id":"i-\#(number)","name":null,"#
    let bytes = Array(text(Self.whole).replacing(head, with: "").utf8)
    let result = try Salvaged(bytes, as: "s.json", kind: "intent-snapshot")
    #expect(result.report.counts == [.intent: Self.count - 1, .edge: Self.count])
    #expect(result.account[.quarantined].ranges == 1 && result.account[.irregular].records == 0)
  }

  /// A member of the outermost object that is like an intent is none while nothing is broken.
  @Test func aMemberLikeAnIntentStays() throws {
    let bytes = Array(#"{"version":"1.1","intents":{},"edges":[],\#(Self.intent(1))}"#.utf8)
    let result = try Salvaged(bytes, as: "s.json", kind: "intent-snapshot")
    #expect(result.report.isWhole && result.report.counts == [.document: 1])
    #expect(try result.scratch.read("out/recovered/s.json") == bytes)
  }

  /// One that ends between two records has lost none that can be seen: it is told all the same.
  @Test func theEndIsMissing() throws {
    let end = try #require(text(Self.whole).range(of: "," + Self.edge(1)))
    let result = try Salvaged(Array(Self.whole[..<end]), as: "s.json", kind: "intent-snapshot")
    #expect(result.account[.quarantined].bytes == 0 && !result.report.isWhole)
    let note = result.report.inputs[0].notes.first?.message
    #expect(note?.range(of: "records may be lost") != nil, "\(note ?? "")")
    let log = text(try result.scratch.read("out/recovery-2026-05-28.log"))
    #expect(log.range(of: "may be in a backup: salvage --with REPO") != nil, "\(log)")
  }

  /// Behind an intent that lost a bracket the text ends: all that is left of that is one loss, or what
  /// is whole of it is told apart.
  @Test(arguments: [#","preferences""#, #","success_criteria""#, #","created_at""#])
  func theEndIsMissingBehindATornIntent(_ cut: String) throws {
    let torn = Self.intents[2].replacing(#""constraints":{"#, with: "")
    let bytes = text(Self.whole).replacing(Self.intents[2], with: torn)
    let all = Array(bytes.utf8)
    let start = try #require(bytes.range(of: torn))
    let end = try #require(String(decoding: all[start...], as: UTF8.self).range(of: cut))
    let result = try Salvaged(Array(all[..<(start + end)]), as: "s.json", kind: "intent-snapshot")
    #expect(result.report.counts == [.intent: 2] && !result.report.isWhole)
    let apart = result.account[.irregular].records + result.account[.quarantined].ranges
    #expect(apart == 1)
    let recovered = text(try result.scratch.read("out/recovered/s.json"))
    #expect(Self.intents.map { recovered.range(of: $0) != nil } == [true, true, false])
  }

  /// What is in front of the first intent is gone, and what is behind it is garbage, nothing, or a
  /// snapshot: its members are no records.
  @Test(arguments: ["\u{1}", "", "?", text(whole)])
  func theFirstIntentIsAllThatIsInFront(_ behind: String) throws {
    let first = Self.intent(9).drop { $0 != "{" }
    let result = try Salvaged(
      Array((first + behind).utf8), as: "s.json", kind: "intent-snapshot")
    #expect(result.report.counts[.intent] == (behind.count > 1 ? 1 + Self.count : 1))
    #expect(result.report.counts[.document] == nil)
    #expect(text(try result.scratch.read("out/recovered/s.json")).contains(String(first)))
  }

  /// The members of a torn intent at the very start are none of the store's.
  @Test func theFirstIntentIsTorn() throws {
    let torn = String(Self.intents[1].drop { $0 != "{" }.dropLast(5))
    let result = try Salvaged(Array(torn.utf8), as: "s.json", kind: "intent-snapshot")
    #expect(result.report.counts.isEmpty, "\(result.report.counts)")
    #expect(result.account[.quarantined].bytes == torn.utf8.count)
  }

  /// An undamaged snapshot that begins with members as records have them is no record.
  @Test(arguments: [#""plan_id":"p","#, #""action_id":1,"#, #""intent_id":"i","goal":"g","#])
  func theRootHasMembersOfARecord(_ members: String) throws {
    let bytes = Array(("{" + members + text(Self.whole).drop { $0 != "{" }.dropFirst()).utf8)
    let result = try Salvaged(bytes, as: "s.json", kind: "intent-snapshot")
    #expect(result.report.isWhole)
    #expect(try result.scratch.read("out/recovered/s.json") == bytes)
  }

  /// The same of a task list by users.
  @Test func theRootHasMembersOfAUser() throws {
    let list = """
      {"username":"x","created_at":"2026-01-01T00:00:00","users":{"a":{"username":"a",\
      "created_at":"2026-01-01T00:00:00"}},"tasks_by_user":{"a":[]}}
      """
    let result = try Salvaged(Array(list.utf8), as: "t.json", kind: "task-list")
    #expect(result.report.isWhole)
    #expect(text(try result.scratch.read("out/recovered/t.json")) == list)
  }

  /// What is in front of the first intent is gone, and that intent has a member as snapshots have.
  @Test(arguments: ["tasks", "preconditions"])
  func theFirstIntentHasMembersOfTheRoot(_ member: String) throws {
    let first = Self.intent(9).drop { $0 != "{" }.dropLast() + #","\#(member)":["a"]}"#
    let result = try Salvaged(
      Array((first + "," + Self.intent(8) + "}}").utf8), as: "s.json", kind: "intent-snapshot")
    #expect(result.report.counts == [.intent: 2])
    #expect(text(try result.scratch.read("out/recovered/s.json")).contains(String(first)))
  }

  @Test(arguments: [0x69, 0x65] as [UInt8])
  func theNameOfAContainerIsAltered(_ first: UInt8) throws {
    var bytes = Self.whole
    let name = first == 0x69 ? #""intents""# : #""edges""#
    let start = try #require(text(bytes).range(of: name))
    bytes[start + 2] ^= 1
    let result = try Salvaged(bytes, as: "s.json", kind: "intent-snapshot")
    #expect(result.account[.recovered].records == 2 * Self.count)
    #expect(result.account[.quarantined].ranges == 1)
    #expect(!result.report.isWhole)
  }

  /// So is all of the name, its quotes too.
  @Test(arguments: [#""intents""#, #""edges""#])
  func theNameOfAContainerIsGone(_ name: String) throws {
    var bytes = Self.whole
    let start = try #require(text(bytes).range(of: name))
    for at in start..<start + name.utf8.count { bytes[at] = 0 }
    let result = try Salvaged(bytes, as: "s.json", kind: "intent-snapshot")
    #expect(result.account[.recovered].records == 2 * Self.count)
    #expect(!result.report.isWhole)
  }

  /// In a text that is damaged elsewhere, lists in a record that have the name of a container stay.
  @Test func listsOfARecordStayInIt() throws {
    let own = #""edges":[1],"plans":[{"n":1}],"intents":{"x":{"q":1}}"#
    let odd = Self.intent(9).replacing(#""k":"v""#, with: own)
    let text = #"{"version":"1.1",\#u{0}"timestamp":"t","intents":{\#(odd)},"edges":[]}"#
    let result = try Salvaged(Array(text.utf8), as: "s.json", kind: "intent-snapshot")
    #expect(result.account[.recovered].records == 1)
    let written = SalvageTests.text(try result.scratch.read("out/recovered/s.json"))
    #expect(written.contains(own))
  }

  /// Members of its own that look like records are a record's own while nothing is missing.
  @Test func partsOfARecordStayInIt() throws {
    let odd = Self.intent(9).replacing(
      #""metadata":{"k":"v"}"#, with: #""metadata":{\#(Self.intent(1)),"edges":[\#(Self.edge(1))]}"#
    )
    let text = #"{"version":"1.1","timestamp":"t","intents":{\#(odd)},"edges":[]}"#
    let result = try Salvaged(Array(text.utf8), as: "s.json", kind: "intent-snapshot")
    #expect(result.report.isWhole && result.account[.recovered].records == 1)
  }
}

extension String {
  /// Where `part` starts, in bytes.
  fileprivate func range(of part: String) -> Int? {
    let (all, part) = (Array(utf8), Array(part.utf8))
    return all.indices.first { all[$0...].starts(with: part) }
  }

  fileprivate func replacing(_ part: String, with other: String) -> String {
    guard let start = range(of: part) else { return self }
    let all = Array(utf8)
    let end = start + part.utf8.count
    return String(decoding: all[..<start] + Array(other.utf8) + all[end...], as: UTF8.self)
  }
}
