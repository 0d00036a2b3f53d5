import LosslessJSON
import Salvage
import TestSupport
import Testing

/// Records that do not stand on lines of their own (S11), sound and damaged.
struct ContainerTests {
  enum Layout: String, CaseIterable, Sendable {
    case array, arrayOfLines, prettyArray, wrapper, prettyWrapper, pretty, commas
  }

  private static func compact(_ bytes: [UInt8]) throws -> [UInt8] {
    let text = try JSONText(bytes.span)
    var out = ByteBuffer()
    text.appendCompact(to: &out)
    return out.array
  }

  private static func isRelation(_ record: [UInt8]) -> Bool {
    text(record).hasPrefix(#"{"type":"relation""#)
  }

  /// The pieces between which records stand: before each record, and at the end.
  private func frame(_ layout: Layout, _ records: [[UInt8]]) -> (before: [String], end: String) {
    var before = records.map { _ in "" }
    let last: String
    switch layout {
    case .array: (before, last) = (records.indices.map { $0 == 0 ? "[" : "," }, "]")
    case .arrayOfLines: (before, last) = (records.indices.map { $0 == 0 ? "[\n" : ",\n" }, "\n]\n")
    case .prettyArray:
      (before, last) = (records.indices.map { $0 == 0 ? "[\n  " : ",\n  " }, "\n]\n")
    case .pretty: (before, last) = (records.indices.map { $0 == 0 ? "" : "\n" }, "\n")
    case .commas: (before, last) = (records.indices.map { $0 == 0 ? "" : ",\n" }, "\n")
    case .wrapper, .prettyWrapper:
      let isPretty = layout == .prettyWrapper
      let split = records.firstIndex(where: Self.isRelation) ?? records.count
      for index in records.indices {
        before[index] = isPretty ? ",\n    " : ","
        if index == 0 {
          before[index] = isPretty ? "{\n  \"entities\": [\n    " : #"{"entities":["#
        }
        if index == split, index > 0 {
          before[index] = isPretty ? "\n  ],\n  \"relations\": [\n    " : #"],"relations":["#
        }
      }
      last = isPretty ? "\n  ]\n}\n" : "]}"
    }
    return (before, last)
  }

  private func records(_ random: inout Seeded, _ layout: Layout) -> [[UInt8]] {
    var lines = GraphLines(random: Seeded(random.next()))
    let all = lines.records(8 + random.below(20)).filter { !text($0).contains("narrative_beat") }
    guard layout == .wrapper || layout == .prettyWrapper else { return all }
    return all.filter { !Self.isRelation($0) } + all.filter(Self.isRelation)
  }

  @Test(arguments: Layout.allCases)
  func soundAndCut(_ layout: Layout) throws {
    var random = Seeded()
    let story = "HOLDFAST_SEED=\(random.seed) \(layout)"
    for round in 0..<20 * rounds {
      let records = records(&random, layout)
      let (before, frameEnd) = frame(layout, records)
      let indent = layout == .prettyArray ? 2 : layout == .prettyWrapper ? 4 : 0
      let isPretty = [.prettyArray, .prettyWrapper, .pretty].contains(layout)
      let shown = isPretty ? records.map { PrettyJSON.text($0, indent: indent) } : records
      // None of them cut off, or one or two.
      let cuts = Set((0..<round % 3).map { _ in random.below(records.count) })
      var bytes: [UInt8] = []
      var undecidable: Set<[UInt8]> = []
      for index in records.indices {
        bytes += Array(before[index].utf8)
        let isCut = cuts.contains(index)
        let end = 1 + random.below(shown[index].count - 2)
        bytes += isCut ? shown[index].prefix(end) : shown[index][...]
        // The end of all is the very end that the cut record lacks: then it looks whole.
        guard isCut, index == records.count - 1 else { continue }
        for count in 1...frameEnd.utf8.count {
          let closed = shown[index].prefix(end) + Array(frameEnd.utf8).prefix(count)
          if let whole = try? Self.compact(Array(closed)) { undecidable.insert(whole) }
        }
      }
      bytes += Array(frameEnd.utf8)
      let result = try Salvaged(bytes, kind: "memory-graph")
      let compact = try shown.indices.filter { !cuts.contains($0) }.map { index in
        try Self.compact(shown[index])
      }
      let found = difference(try result.lines("recovered"), compact)
      #expect(found.onlyB.map(text) == [], "lost \(story) round \(round)")
      let invented = found.onlyA.filter { !undecidable.contains($0) }
      #expect(invented.map(text) == [], "invented \(story) round \(round)")
      if !invented.isEmpty || !found.onlyB.isEmpty { print("in", text(bytes)) }
    }
  }

  @Test(arguments: ["utf-16", "utf-16-le", "utf-16-be", "marked utf-16-be"])
  func wideCharacters(_ encoding: String) throws {
    var lines = GraphLines(random: Seeded())
    var records = lines.records(20)
    let scratch = try Scratch()
    records[3] = Array(records[3].dropLast(7))
    // A cut in the middle of a character would not be text that Python writes.
    while records[3].last.map({ $0 >= 0x80 }) ?? false { records[3].removeLast() }
    try scratch.write(Array(records.joined(separator: [0x0A])), to: "text")
    try scratch.python(
      """
      name = '\(encoding)'
      mark = b'\\xfe\\xff' if name.startswith('marked') else b''
      data = mark + open('text', encoding='utf-8').read().encode(name.split()[-1])
      open('wide', 'wb').write(data[:-1])
      """)
    let bytes = try scratch.read("wide")
    let result = try Salvaged(bytes, kind: "memory-graph")
    let intact = records.indices.filter { $0 != 3 && $0 != 19 }.map { records[$0] }
    let found = difference(try result.lines("recovered"), intact)
    #expect(found.onlyA.map(text) == [] && found.onlyB.map(text) == [], "\(found)")
    #expect(Fate.allCases.reduce(0) { $0 + result.account[$1].bytes } == bytes.count)
    #expect(result.report.inputs[0].notes.contains { $0.message.contains("UTF-16") })
  }

  /// A shell appends UTF-16 to UTF-8, and other programs UTF-8 to UTF-16: every record is read in the
  /// encoding that it has.
  @Test func severalEncodings() throws {
    var lines = GraphLines(random: Seeded())
    for round in 0..<40 {
      let records = lines.records(24)
      var bytes: [UInt8] = []
      var parts = 0
      var before = -1
      for record in records {
        let way = lines.random.below(4) == 0 || before < 0 ? lines.random.below(3) : before
        if way != before { parts += 1 }
        // A mark comes with what a shell writes to a new file; without one it is little-endian, which
        // behind big-endian has no line of its own.
        let isMarked = before > 0 || way == 2 || lines.random.below(2) == 0
        if way > 0, way != before, isMarked {
          bytes += way == 1 ? [0xFF, 0xFE] : [0xFE, 0xFF]
        }
        before = way
        for unit in text(record + [0x0A]).utf16 where way > 0 {
          let (high, low) = (UInt8(unit >> 8), UInt8(unit & 0xFF))
          bytes += way == 1 ? [low, high] : [high, low]
        }
        if way == 0 { bytes += record + [0x0A] }
      }
      let story = "HOLDFAST_SEED=\(lines.random.seed) round \(round), \(parts) parts"
      let result = try Salvaged(bytes, kind: "memory-graph")
      let found = difference(try result.lines("recovered"), records)
      #expect(found.onlyA.map(text) == [] && found.onlyB.map(text) == [], "\(story)")
      #expect(Fate.allCases.reduce(0) { $0 + result.account[$1].bytes } == bytes.count, "\(story)")
    }
  }

  /// Where the bytes may be the one order or the other, one off, nothing is read wrong; and UTF-8 is
  /// found behind UTF-16 whose end is damaged, though it stands at an odd place.
  @Test(arguments: ["соль.", "costs €5.", "日本", "üö"])
  func partsThatAreDoubtful(_ word: String) throws {
    let lines = (0..<8).map {
      #"{"type":"entity","name":"\#($0)","entityType":"t","observations":["\#(word)"]}"#
    }
    func wide(_ text: String) -> [UInt8] {
      text.utf16.flatMap { unit -> [UInt8] in [UInt8(unit & 0xFF), UInt8(unit >> 8)] }
    }
    let (first, rest) = (lines[..<4].joined(separator: "\n"), lines[4...].joined(separator: "\n"))
    for (bytes, least) in [
      (Array(first.utf8) + wide("\n" + rest + "\n"), 4),
      (Array((first + "\n").utf8) + wide("\r\n" + rest + "\n"), 4),
      (Array((first + "\n").utf8) + wide(String(rest.dropFirst(9))), 4),
      (wide(first).dropLast(9) + Array(("\n" + rest).utf8), 7),
      (wide(first + "\n") + [0x30] + Array(rest.utf8), 7),
    ] {
      let result = try Salvaged(Array(bytes), kind: "memory-graph")
      let recovered = try result.lines("recovered").map(text)
      #expect(recovered.count >= least && Set(recovered).isSubset(of: lines), "\(recovered)")
      #expect(Fate.allCases.reduce(0) { $0 + result.account[$1].bytes } == bytes.count)
    }
  }

  /// Where the encoding changes just where one read of the file ends.
  @Test(arguments: -6...6) func anotherEncodingAtTheEndOfARead(_ shift: Int) throws {
    func line(_ name: String, _ length: Int) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["\#(String(repeating: "x", count: length))"]}"#
        + "\n"
    }
    let step = 1 << 20
    let first = line("a", step + shift - line("a", 0).utf8.count)
    let wide = line("b", 9).utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    let result = try Salvaged(Array(first.utf8) + wide, kind: "memory-graph")
    #expect(result.account[.recovered].records == 2 && result.report.isWhole)
  }

  /// Flash memory that is erased reads as ones: in UTF-16 that is no character, and no text either.
  @Test func erasedInUTF16() throws {
    let lines = ["a", "b", "c"].map {
      #"{"type":"entity","name":"\#($0)","entityType":"t","observations":["\#(String(repeating: "x", count: 600))"]}"#
    }
    var bytes: [UInt8] = [0xFF, 0xFE]
    for unit in lines.joined(separator: "\n").utf16 {
      bytes += [UInt8(unit & 0xFF), UInt8(unit >> 8)]
    }
    for at in 1536..<2048 { bytes[at] = 0xFF }
    let result = try Salvaged(bytes, kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == [lines[0], lines[2]])
    #expect(Fate.allCases.reduce(0) { $0 + result.account[$1].bytes } == bytes.count)
  }

  /// Half of a pair in UTF-16 costs the record that it is in, be it the last thing there is.
  @Test(arguments: [0xD83C, 0xDE00] as [UInt16], [false, true])
  func halfOfAPair(_ unit: UInt16, _ isAtEnd: Bool) throws {
    let lines = ["a", "b", "c"].map {
      #"{"type":"entity","name":"\#($0)","entityType":"t","observations":["x~y 😀"]}"#
    }
    var units = Array(lines.joined(separator: "\n").utf16)
    let marks = units.indices.filter { units[$0] == 0x7E }
    if isAtEnd { units.append(unit) } else { units[marks[1]] = unit }
    let wide = units.flatMap { unit -> [UInt8] in [UInt8(unit & 0xFF), UInt8(unit >> 8)] }
    let bytes = [0xFF, 0xFE] as [UInt8] + wide
    let result = try Salvaged(bytes, kind: "memory-graph")
    let intact = isAtEnd ? lines : [lines[0], lines[2]]
    #expect(try result.lines("recovered").map(text) == intact)
    #expect(result.account[.quarantined].ranges == 1)
    #expect(Fate.allCases.reduce(0) { $0 + result.account[$1].bytes } == bytes.count)
  }

  /// What the first record of a list is told by where its brace has no line of its own: the braces of
  /// objects in it have.
  @Test(arguments: [
    ("[", "]\n"), ("[", "]\n[[[[[[[[[[[[\n"), ("[", "]\n]\n]\n"), ("[", "\u{0}\u{0}]\n"),
    (#"{"entities":[],"relations":["#, "]}\n"),
    (#"{"entities":[],"relations":["#, "\u{0}\u{0} ]}\n"),
  ])
  func aListThatOpensWithItsBrace(_ opening: String, _ end: String) throws {
    let lines = [
      opening + "{", #"  "type": "entity","#, #"  "name": "a","#, #"  "entityType": "t","#,
      #"  "observations": [],"#, #"  "extra": ["#, "    {", #"      "name": "n""#, "    },",
      "    {", #"      "from": "x""#, "    }", "  ]", "}, {", #"  "type": "relation","#,
      #"  "from": "a","#, #"  "to": "b","#, #"  "relationType": "knows""#, "}" + end,
    ]
    let result = try Salvaged(Array(lines.joined(separator: "\n").utf8), kind: "memory-graph")
    #expect(
      try result.lines("recovered").map(text) == [
        #"{"type":"entity","name":"a","entityType":"t","observations":[],"#
          + #""extra":[{"name":"n"},{"from":"x"}]}"#,
        #"{"type":"relation","from":"a","to":"b","relationType":"knows"}"#,
      ])
  }

  /// A record of one line in a torn one of a pretty-printed container, and the objects of a record
  /// that stands behind bytes that no text has.
  @Test(arguments: [("[", "]"), (#"{"entities":["#, #"],"relations":[]}"#)])
  func othersInAPrettyContainer(_ opening: String, _ end: String) throws {
    func entity(_ name: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["x"],"#
        + #""extra":[{"name":"n"},{"from":"x"}]}"#
    }
    func pretty(_ name: String) -> String { text(PrettyJSON.text(Array(entity(name).utf8))) }
    let cut = "\n{\"type\":\"ent"
    let torn = "{\n  \"type\": \"entity\",\n  \"name\": \"lo\n"
    let rest = "st\",\n  \"observations\": [\n    \"x\"\n  ]\n}"
    for (bytes, names) in [
      ("\(opening)\(torn)\(entity("a"))\(rest)\(end)\n\(pretty("b"))\(cut)", ["a", "b"]),
      ("\(opening)\(entity("d"))\u{0}, \(pretty("e"))\(end)\(cut)", ["d", "e"]),
      ("\(opening)\u{0}\u{0}\n[[[\n\u{0}\(pretty("c"))\(end)\(cut)", ["c"]),
    ] {
      let result = try Salvaged(Array(bytes.utf8), kind: "memory-graph")
      #expect(try result.lines("recovered").map(text) == names.map(entity))
    }
  }

  private static let related = [
    #"{"type":"entity","data":{"name":"a","entityType":"t","observations":["x"]}}"#,
    #"{"type":"entity","name":"b","entityType":"t","observations":["x"],"#
      + #""metadata":{"parent":{"name":"a","entityType":"t","observations":["x"]}}}"#,
    #"{"type":"snapshot","entity":{"type":"entity","name":"a","entityType":"t","observations":[]}}"#,
    #"{"type":"entity","name":"c","entityType":"t","observations":["x"],"#
      + #""snap":[{"type":"entity","name":"a","entityType":"t","observations":[]}]}"#,
    #"{"type":"relation","from":"a","to":"b","relationType":"r"}"#,
  ]

  /// A record of a pretty-printed container may hold what looks like one; what is printed deeper than
  /// the records is a part.
  @Test(arguments: [Layout.prettyArray, .prettyWrapper], ["  ", "\t"])
  func recordsInPrettyRecords(_ layout: Layout, _ indent: String) throws {
    let records = Self.related.map { Array($0.utf8) }
    var (before, end) = frame(layout, records)
    if layout == .prettyWrapper {
      before[0] = before[0].replacing("{\n", with: "{\n  \"version\": \"1\",\n")
    }
    let pretty = records.map { PrettyJSON.text($0, indent: layout == .prettyArray ? 2 : 4) }
    for spoilt in [nil] + records.indices.map(Optional.some) {
      var whole = ""
      for index in records.indices {
        let shown = text(pretty[index])
        // Behind all of what it holds.
        let close = shown.lastIndex(of: "\n") ?? shown.endIndex
        whole +=
          before[index] + (index == spoilt ? "\(shown[..<close]) x\(shown[close...])" : shown)
      }
      let bytes = Array((whole + end).replacing("  ", with: indent).utf8)
      let result = try Salvaged(bytes, kind: "memory-graph")
      let wanted = Self.related.indices.filter { $0 != spoilt }.map { Self.related[$0] }
      #expect(try result.lines("recovered").map(text) == wanted, "spoilt \(spoilt ?? -1)")
    }
  }

  /// Where only its strings are damaged, a record ends where it seems to: what is behind it in the list
  /// is a record, of whatever type.
  @Test(arguments: [("[", "]"), (#"{"entities":["#, #"],"relations":[]}"#)])
  func anUnknownTypeBehindADamagedString(_ opening: String, _ end: String) throws {
    func entity(_ name: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["x"]}"#
    }
    let beat = #"{"type":"narrative_beat","name":"n1","beat":"text","x":"y"}"#
    let list = "\(opening)\(entity("a")),\(entity("b~~b~c")),\(beat),\(entity("d"))\(end)"
    for byte in [0x00, 0x1F, 0xFF] as [UInt8] {
      let bytes = list.utf8.map { $0 == 0x7E ? byte : $0 }
      let result = try Salvaged(bytes, kind: "memory-graph")
      #expect(try result.lines("recovered").map(text) == [entity("a"), beat, entity("d")])
    }
  }

  /// However long the damaged string is, up to a limit that is never reached here.
  @Test(arguments: [3000, 20_000], [("[", "]"), (#"{"entities":["#, #"],"relations":[]}"#)])
  func aLongDamagedString(_ length: Int, _ frame: (opening: String, end: String)) throws {
    let first = #"{"type":"entity","name":"a","entityType":"t","observations":["x"]}"#
    let long = String(repeating: "z", count: length)
    let torn = first.replacing(#""x""#, with: "\"\u{1}\(long)\",{\"type\":\"y\"}")
    let beat = #"{"type":"narrative_beat","name":"n1"}"#
    let bytes = Array("\(frame.opening)\(first),\(torn),\(beat)\(frame.end)".utf8)
    let result = try Salvaged(bytes, kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == [first, beat])
    #expect(result.account[.quarantined].bytes == torn.utf8.count)
  }

  /// Where a record is damaged otherwise, what is behind it is one if records follow it in the list;
  /// the parts of it are none.
  @Test(arguments: [("[", "]"), (#"{"entities":["#, #"],"relations":[]}"#)])
  func anUnknownTypeInFrontOfRecords(_ opening: String, _ end: String) throws {
    func entity(_ name: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["x"]}"#
    }
    let beats = (1...2).map { #"{"type":"narrative_beat","name":"n\#($0)"}"# }
    let parts = #"[{"type":"y"},{"type":"z"},{"type":"w"}]"#
    let torn = #"{"type":"entity","in":{"a"\#(parts),"b":[{"type":"x"},{"type":"v"}]},"name"}"#
    let records = [entity("a"), torn] + beats + [entity("d")]
    let bytes = Array((opening + records.joined(separator: ", ") + end).utf8)
    let result = try Salvaged(bytes, kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == [entity("a")] + beats + [entity("d")])
  }

  /// A part of the first record is none before any other was seen, unless records have no type.
  @Test(arguments: [("[", "]"), (#"{"entities":["#, #"],"relations":[]}"#)])
  func partsOfATornFirstRecord(_ opening: String, _ end: String) throws {
    let bare = #"{"name":"a","entityType":"t","observations":["x"]}"#
    let typed = #"{"type":"entity","name":"b","entityType":"t","observations":["x"]}"#
    for (torn, record) in [
      (#"{"type":"entity","x""in":[\#(bare),\#(bare)],"name":"z"}"#, typed),
      (#"{"type":"entity","data":\#(bare)"#, typed), (#"{"name":"#, bare),
    ] {
      let bytes = Array("\(opening)\(torn),\(record)\(end)".utf8)
      let result = try Salvaged(bytes, kind: "memory-graph")
      #expect(try result.lines("recovered").map(text) == [record])
    }
  }

  /// In a container of compact records what stands at the left is one, whatever is before it.
  @Test func recordsAtTheLeftOfAContainer() throws {
    let record = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#
    let beat = #"{"type":"beat","parts":[{"type":"y"}]}"#
    let bytes = Array("[{\"type\":\"ent\u{1}\"},\n[[[\n\(beat),\(record)]\n{\"type".utf8)
    let result = try Salvaged(bytes, kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == [beat, record])
  }

  @Test func damageBehindARecordOfItsOwnType() throws {
    let record = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#
    let beat = #"{"type":"beat","n":1}"#
    let result = try Salvaged(Array("[\(record), \(beat), \n[[[[[".utf8), kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == [record, beat])
    let sides =
      "{\"relations\":[\n<<<<<<< HEAD\n\(record)\n=======\n\(beat),\n>>>>>>> other\n]}\n"
    let both = try Salvaged(Array(sides.utf8), kind: "memory-graph")
    #expect(try both.lines("recovered").map(text) == [record, beat])
  }

  @Test func partsBehindAnotherWritersRecordInAList() throws {
    let record = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#
    let parts = #"{"b":[{"type":"y"},\#(record){"type":"z","c":1}]},"d":null}"#
    let list = Array(#"[{"type":"beat","metadata":\#(parts)}]"#.utf8)
    #expect(try Salvaged(list, kind: "memory-graph").lines("recovered").map(text) == [record])
  }

  @Test func aPrettyRecordInATornOne() throws {
    let lines = [
      #"{"entities":[{"name":"a","obs{"#, #"  "type": "entity","#, #"  "name": "b","#,
      #"  "entityType": "t","#, #"  "observations": [],"#, #"  "in": ["#, "    {",
      #"      "type": "y""#, "    }", "  ]", "}\0 \":[]}],\"relations\":[]}",
    ]
    let bytes = Array(lines.joined(separator: "\n").utf8)
    let inner =
      #"{"type":"entity","name":"b","entityType":"t","observations":[],"in":[{"type":"y"}]}"#
    #expect(try Salvaged(bytes, kind: "memory-graph").lines("recovered").map(text) == [inner])
    // A list at the left is no member, in whatever container it seems to be.
    let list = Array("[{\"type\":\"ent\0\0\n[{\"type\":\"beat\"}]\n{\"type\":\"be".utf8)
    let found = try Salvaged(list, kind: "memory-graph").lines("recovered").map(text)
    #expect(found == [#"{"type":"beat"}"#])
  }

  /// A record that was cut off takes the next one for an observation, and the end of their container
  /// for its own: all of it parses.
  @Test(arguments: ["", "  \"relations\": []\n"])
  func aRecordThatTookTheEndOfItsContainer(_ relations: String) throws {
    func entity(_ name: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["of \#(name)"]}"#
    }
    func pretty(_ name: String) -> String {
      let lines = text(PrettyJSON.text(Array(entity(name).utf8))).split(separator: "\n")
      return lines.map { "    " + $0 }.joined(separator: "\n")
    }
    // Up to what is in its list.
    let torn = pretty("c").split(separator: "\n").prefix { !$0.contains("of c") }
    let comma = relations.isEmpty ? "" : ","
    let whole = """
      {
        "entities": [
      \(pretty("a")),
      \(pretty("b")),
      \(torn.joined(separator: "\n"))
      \(pretty("d"))
        ]\(comma)
      \(relations)}

      """
    let result = try Salvaged(Array(whole.utf8), kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == ["a", "b", "d"].map(entity))
  }

  /// Behind a loss a list of what may be records is one of records where it stands at the left.
  @Test(arguments: [("", 2), ("  ", 0)])
  func aListBehindALoss(_ indent: String, _ count: Int) throws {
    let records = ["a", "b"].map {
      #"{"type":"entity","name":"\#($0)","entityType":"t","observations":[]}"#
    }
    let list = [#"{"type":"beat","n":1}"#, #"{"type":"note","n":2}"#]
    let lines = [
      records[0], #"{"type":"ent"#, "\(indent)[\(list.joined(separator: ","))]", records[1],
    ]
    let result = try Salvaged(Array(lines.joined(separator: "\n").utf8), kind: "memory-graph")
    #expect(
      try result.lines("recovered").map(text) == [records[0]] + list.prefix(count) + [records[1]])
  }

  /// A list at the start that is the rest of a torn record is no container.
  @Test func theRestOfARecordAtTheStart() throws {
    let record = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#
    let bytes = Array("[{\"type\":\"y\"},{\"type\":\"z\"}]},\"d\":null}}\n\(record)\n{\"type".utf8)
    let result = try Salvaged(bytes, kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == [record])
    let list = Array("[{\"type\":\"y\"},\(record)]}\n".utf8)
    #expect(try Salvaged(list, kind: "memory-graph").lines("recovered").count == 2)
    let part = "  [\n    {\n      \"type\": \"ref\",\n      \"to\": \"x\"\n    }\n  ]\n}"
    let other = "{\n  \"name\": \"a\",\n  \"extra\":\(part)"
    let glued = Array("\(part.dropFirst(2))\n\(other)olon\"]}\n".utf8)
    let found = try Salvaged(glued, kind: "memory-graph").lines("recovered").map(text)
    #expect(found == [#"{"name":"a","extra":[{"type":"ref","to":"x"}]}"#])
  }

  /// Nor what follows a list in a container: a part of a record that another writer's stands in.
  @Test func partsBehindAListInAContainer() throws {
    let records = ["a", "b"].map {
      #"{"type":"entity","name":"\#($0)","entityType":"t","observations":[]}"#
    }
    let rest = #"],{"from":"x"}],"d":null}"#
    let bytes = "{\"entities\":[\n\u{0}\(records[0])\(rest),\(records[1]),{\"type".utf8
    let result = try Salvaged(Array(bytes), kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == records)
    #expect(try result.lines("irregular") == [])
  }

  /// What follows a whole list or wrapper is not in it, however much it looks like its records.
  @Test(arguments: [("[", "]"), (#"{"entities":["#, #"],"relations":[]}"#)])
  func recordsBehindAWholeContainer(_ opening: String, _ end: String) throws {
    func entity(_ name: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["x"]}"#
    }
    let pretty = entity("a").replacing("{", with: "{\n  ").replacing(",", with: ",\n  ")
    let torn = "{\n  \"type\": \"entity\",\n  \"name\": \"lost \\"
    let bytes = Array("\(opening)\(pretty)\(end)\n\(torn)\(entity("b"))ud83c\"\n}\n".utf8)
    let result = try Salvaged(bytes, kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == ["a", "b"].map(entity))
  }

  /// Damage that begins with the bytes of a mark makes no UTF-16 of a text.
  @Test(arguments: [[0xFF, 0xFE], [0xFE, 0xFF]] as [[UInt8]])
  func aMarkByChance(_ mark: [UInt8]) throws {
    let lines = (0..<9).map {
      #"{"type":"entity","name":"n\#($0)","entityType":"t","observations":[]}"#
    }
    let noise = mark + [0x41, 0xC1, 0x42, 0xF8, 0x43, 0x0A]
    let result = try Salvaged(
      noise + Array(lines.joined(separator: "\n").utf8), kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == lines)
    #expect(result.account[.quarantined].bytes == noise.count - 1)
  }

  /// Whole JSON that the rules refuse is kept apart, verbatim.
  @Test func badRecordsAreIrregular() throws {
    let good = #"{"type":"entity","name":"a","entityType":"t","observations":["x"]}"#
    let bad = [
      #"{"type":"entity","name":"b","entityType":"t","observations":[null]}"#,
      #"{"type":"relation", "from":"a","to":"b"}"#,
    ]
    let beat = #"{"type":"narrative_beat","x":1}"#
    let result = try Salvaged(Array(([good] + bad + [beat]).joined(separator: "\n").utf8))
    #expect(try result.lines("recovered").map(text) == [good, beat])
    #expect(try result.lines("irregular").map(text) == bad)
    #expect(result.account[.irregular].records == 2)
  }

  /// A container is read in parts where it is longer than 17 MB. Wherever a part ends, in a record,
  /// right behind one, or in what is between two lists, the records are the same.
  @Test(arguments: [
    (-20, "],"), (3, "],"), (208, "],\(wide)"), (300, "],\(wide)\"other\":\"\(long)\","),
  ])
  func aContainerReadInParts(_ place: (behind: Int, between: String)) throws {
    let opening = #"{"entities":["#
    let relations = ["b", "c"].map {
      #"{"type":"relation","from":"a","to":"\#($0)","relationType":"r"}"#
    }
    let (head, tail) = (#"{"type":"entity","name":"a","entityType":"t","observations":[""#, #""]}"#)
    let room = (17 << 20) - place.behind - opening.utf8.count - head.utf8.count - tail.utf8.count
    let end = #"\#(place.between)"relations":[\#(relations.joined(separator: ","))]}"#
    let bytes =
      Array((opening + head).utf8) + [UInt8](repeating: 0x79, count: room)
      + Array((tail + end).utf8)
    let result = try Salvaged(bytes, kind: "memory-graph")
    let found = try result.lines("recovered")
    #expect(found.map(\.count) == [head.utf8.count + room + tail.utf8.count, 58, 58])
    #expect(found.dropFirst().map(text) == relations)
    let others = place.between.contains("other") ? 1 : 0
    #expect(result.account[.irregular].ranges == others && result.account[.quarantined].ranges == 0)
  }

  private static let wide = String(repeating: " ", count: 200)
  private static let long = String(repeating: "o", count: 3 << 20)

  /// Long lines and deep nesting take time in proportion to their length, and no stack.
  @Test func longAndDeep() throws {
    let good = Array(#"{"type":"entity","name":"a","entityType":"t","observations":["x"]}"#.utf8)
    let long =
      Array(#"{"type":"entity","name":"b","entityType":"t","observations":[""#.utf8)
      + [UInt8](repeating: 0x78, count: 3 << 20) + Array(#""]}"#.utf8)
    let open = [UInt8](repeating: 0x5B, count: 100_000)
    let keys = Array(String(repeating: #"{"a":"#, count: 50_000).utf8)
    let bytes = Array([good, open, long, keys, good + good].joined(separator: [0x0A]))
    let result = try Salvaged(bytes)
    #expect(try result.lines("recovered").count == 4)
    #expect(result.account[.quarantined].bytes == open.count + keys.count)
  }

  /// A digit on a line of its own is no record where there is noise on both sides of it; of 50,000
  /// random bytes one in thirty has such. A line that begins with # is a comment.
  @Test func nothingButNoise() throws {
    var random = Seeded()
    let noise = random.bytes(900).map { $0 == 0x0A || $0 == 0x23 ? 0xF5 : $0 }
    for bytes in [
      [], [0x7B], [UInt8](repeating: 0, count: 5000), random.bytes(50_000),
      noise + Array("\n7\n".utf8) + noise + Array("\n 42\r\n".utf8) + noise,
    ] {
      let result = try Salvaged(bytes)
      #expect(try result.lines("recovered").isEmpty)
      #expect(
        result.account[.quarantined].bytes + result.account[.insignificant].bytes == bytes.count)
      #expect(!result.report.isWhole)
    }
  }
}
