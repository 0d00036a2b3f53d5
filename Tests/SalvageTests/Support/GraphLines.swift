import TestSupport

/// Lines of a memory graph with everything in them that may mislead: nested objects that have a
/// type themselves, JSON within strings, escapes, characters of all lengths.
struct GraphLines {
  var random: Seeded

  mutating func text() -> String {
    let words = [
      "simple", "naïve café", "日本語 😀", #"quo\"te"#, #"{\"type\":\"entity\",\"name\":\"no\"}"#,
      #"back\\slash"#, "a}{b", "[1,2", #"\ud83c"#, "", "colon: ", "x,y", #"\u00e9\n"#,
      "# no comment", "{", "}", "[{", "type",
    ]
    return (0...random.below(4)).map { _ in random.pick(words) }.joined(separator: " ")
  }

  mutating func metadata() -> String {
    switch random.below(6) {
    case 0: return ""
    case 1:
      return
        #","metadata":{"dueDate":"2026-01-0\#(1 + random.below(9))","level":\#(random.below(9))}"#
    case 2: return #","metadata":{"type":"inner","note":"\#(text())"}"#
    case 3:
      return #","metadata":{"a":{"type":"x","b":[{"type":"y"},{"type":"z","c":1.5e3}]},"d":null}"#
    case 4: return #","metadata":{},"extra":[{"type":"ref","to":"\#(text())"}]"#
    default: return #","extra":[{"name":"n"},[],{"from":"x"}],"metadata":{"tags":["a","b"]}"#
    }
  }

  mutating func record(_ number: Int) -> String {
    let id = "node \(number) \(text())"
    switch random.below(5) {
    case 0:
      return
        #"{"type":"relation","from":"\#(id)","to":"\#(text())","relationType":"knows"\#(metadata())}"#
    case 1: return #"{"type":"narrative_beat","id":\#(number),"text":"\#(text())"\#(metadata())}"#
    default:
      let observations = (0..<random.below(4)).map { _ in "\"\(text())\"" }.joined(separator: ",")
      return
        #"{"type":"entity","name":"\#(id)","entityType":"note","observations":[\#(observations)]\#(metadata())}"#
    }
  }

  mutating func records(_ count: Int) -> [[UInt8]] {
    (0..<count).map { Array(record($0).utf8) }
  }
}
