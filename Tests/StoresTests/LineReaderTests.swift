import LosslessJSON
import Records
import Stores
import TestSupport
import Testing

/// Findings of files of lines, with their exact places, and the account of every byte.
struct LineReaderTests {
  static let a = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#
  static let b = #"{"type":"entity","name":"b","entityType":"t","observations":[]}"#

  @Test(arguments: [
    ([a, b], ["a", "b"], []),
    ([a, "", "  ", "\t" + b + " \r"], ["a", "b"], []),
    ([a, b.dropLast(5).description], ["a"], ["error torn-tail 2 64 58"]),
    ([a, b.dropLast(5).description, ""], ["a"], ["error unreadable 2 64 58"]),
    ([a + b, a], ["a"], ["error unreadable 1 0 126"]),
    ([a, "\u{0}\u{0}\u{0}", b], ["a", "b"], ["error nul-bytes 2 64 3"]),
    ([a, "\u{0}\u{0}" + b], ["a"], ["error unreadable 2 64 65"]),
    (
      ["<<<<<<< HEAD", a, "=======", b, ">>>>>>> x"], ["a", "b"],
      ["error unreadable 1 0 12", "error unreadable 3 77 7", "error unreadable 5 149 9"]
    ),
    (["# head", a], ["a"], ["note comment-line 1 0 -"]),
    (["\u{FEFF}" + a, b], ["a", "b"], ["note byte-order-mark 1 0 -"]),
    (["\u{FEFF}{", b, a], ["b", "a"], ["note byte-order-mark 1 0 -", "error unreadable 1 0 4"]),
    (
      [a, #"{"type":"entity","name":"\#("\u{1}")"}"#, b], ["a", "b"], ["error unreadable 2 64 28"]
    ),
  ])
  func findings(lines: [String], names: [String], marks: [String]) throws {
    let reading = try Reading.text(lines.joined(separator: "\n"), kind: .memoryGraph)
    #expect(reading.labels == names.map { "entity:" + $0 })
    #expect(reading.marks == marks)
  }

  /// Whatever lines are damaged: records, unreadable ranges, comments and white space, each byte
  /// in just one of them.
  @Test func everyByteIsAccountedFor() throws {
    var random = Seeded()
    for _ in 0..<100 {
      var bytes: [UInt8] = []
      for _ in 0..<random.below(8) {
        bytes += Array(random.pick([Self.a, Self.b, "", "  ", "{\"x\":[1]}", "\u{0}\u{0}"]).utf8)
        bytes += random.pick([[0x0A], [0x0D, 0x0A], []] as [[UInt8]])
      }
      for _ in 0..<random.below(3) where !bytes.isEmpty {
        bytes[random.below(bytes.count)] = UInt8(random.below(256))
      }
      // What begins as an array is read as one: its brackets belong to no record.
      if bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == 0x5B { continue }
      let reading = try Reading.bytes(bytes, kind: .memoryGraph)
      var owner = [Int](repeating: 0, count: bytes.count)
      for place in reading.places {
        for index in place.offset..<place.offset + place.length { owner[index] += 1 }
      }
      for finding in reading.findings where finding.severity == .error {
        let start = finding.offset ?? 0
        for index in start..<start + (finding.length ?? 0) { owner[index] += 1 }
      }
      // A line that happens to have become a comment.
      for finding in reading.findings where finding.code == .commentLine {
        var index = finding.offset ?? 0
        while index < bytes.count, bytes[index] != 0x0A {
          owner[index] += 1
          index += 1
        }
      }
      for (index, count) in owner.enumerated() where count != 1 {
        let isSpace = [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index])
        #expect(count == 0 && isSpace, "seed \(random.seed): byte \(index) of \(bytes)")
      }
    }
  }

  /// Lines are parsed in batches, on several threads: what is said of them comes in their order.
  @Test func manyBatchesKeepTheOrderOfTheLines() throws {
    var random = Seeded()
    let cases: [(line: String, mark: String)] = [
      (Self.a, ""), (Self.b, ""), (#"{"type":"relation"}"#, ""), ("", ""), (" \t", ""),
      ("# note", "note comment-line"), ("{\"x\":tru}", "error unreadable"),
      ("\u{0}\u{0}", "error nul-bytes"),
      (#"{"name":"c","entityType":"t"}"#, "warning missing-field"),
    ]
    for _ in 0..<10 {
      // Several batches of each of the limits, and the last one not full.
      let chosen = (0..<3000 + random.below(500)).map { _ in random.pick(cases) }
      let reading = try Reading.text(
        chosen.map(\.line).joined(separator: "\n"), kind: .memoryGraph)
      var (offset, expected, places) = (0, [String](), [Int]())
      for (index, line) in chosen.enumerated() {
        if !line.mark.isEmpty {
          let isError = line.mark.hasPrefix("error")
          expected.append(
            "\(line.mark) \(index + 1) \(offset) \(isError ? "\(line.line.utf8.count)" : "-")")
        }
        if line.line.hasPrefix("{"), !line.mark.hasPrefix("error") { places.append(offset) }
        offset += line.line.utf8.count + 1
      }
      #expect(reading.marks == expected, "seed \(random.seed)")
      #expect(reading.places.map(\.offset) == places, "seed \(random.seed)")
    }
  }
}

struct ContainerReaderTests {
  static let a = LineReaderTests.a
  static let b = LineReaderTests.b

  @Test(arguments: [
    ("[\n\(a),\n{\"x\":tru},\n\(b)\n]", ["entity:a", "entity:b"], ["error unreadable 3 67 9"]),
    ("[\n\(a),\n\(b)", ["entity:a", "entity:b"], ["error torn-tail 3 130 0"]),
    ("[\n\(a),\n\(b.dropLast())", ["entity:a"], ["error torn-tail 3 67 62"]),
    ("[\n\(a) \(b)\n]", ["entity:a"], ["error unreadable 2 65 66"]),
    ("[\n\(a)\n] x", ["entity:a"], ["error unreadable 3 68 1"]),
    (
      "{\"entities\":[\(a)],\"relations\":[5,\"\\x\"],\"more\":1}",
      ["entity:a", "relation:line 1", "document:more | more"], ["error unreadable 1 93 4"]
    ),
  ])
  func graphs(text: String, labels: [String], marks: [String]) throws {
    let reading = try Reading.text(text, kind: .memoryGraph)
    #expect(reading.labels == labels)
    #expect(reading.marks.filter { $0.hasPrefix("error") } == marks)
  }

  /// The head of a file of values over several lines is not looked at for each of them.
  @Test func theHeadIsReadOnceForManyValues() throws {
    let value = "{\n  \"type\": \"entity\",\n  \"name\": \"a\",\n  \"entityType\": \"t\"\n}\n"
    let scratch = try Scratch()
    let path = try scratch.write(String(repeating: value, count: 300), to: "graph.json")
    let tree = CountingTree(try DiskTree(path))
    #expect(try Survey.read(tree, as: .memoryGraph, rules: false).total == 300)
    #expect(tree.heads == 1 && tree.opened == [0: 1])
  }

  @Test func onlyTheFirstValueIsAWrapper() throws {
    let reading = try Reading.text("{\"entities\":[\(Self.a)]}\n\(Self.b)\n")
    #expect(reading.labels == ["entity:a", "entity:b"])
  }
}
