import Records
import Salvage
import SystemPackage
import TestSupport

/// The outcome of salvaging a file of a scratch directory.
struct Salvaged {
  let report: SalvageReport
  let scratch: Scratch
  let name: String

  init(
    _ bytes: [UInt8], as name: String = "memory.jsonl", kind: String? = nil,
    _ change: (inout SalvageRequest) -> Void = { _ in }
  ) throws {
    scratch = try Scratch(inMemory: true)
    self.name = name
    try scratch.write(bytes, to: "in/\(name)")
    var request = SalvageRequest(
      paths: [scratch.file("in/\(name)")], target: scratch.file("out"), time: 1_780_000_000)
    request.kind = kind
    change(&request)
    report = try SalvagePlan(request).run()
    let after = try scratch.read("in/\(name)")
    guard after == bytes else { throw TestFailure("the input was changed") }
  }

  var account: InputAccount { report.inputs[0].account }

  /// The lines of a file of the output; none where it does not exist.
  func lines(_ folder: String) throws -> [[UInt8]] {
    let file = "out/\(folder)/\(name)"
    guard scratch.exists(file) else { return [] }
    return try scratch.read(file).split(separator: 0x0A).map(Array.init)
  }
}

extension Scratch {
  /// Salvages a database of this directory into `target`.
  func salvage(_ name: String = "damaged.db", to target: String = "out") throws -> SalvageReport {
    try SalvagePlan(
      SalvageRequest(paths: [file(name)], target: file(target), time: 1_780_000_000)
    ).run()
  }
}

/// What two multisets do not share.
func difference(_ a: [[UInt8]], _ b: [[UInt8]]) -> (onlyA: [[UInt8]], onlyB: [[UInt8]]) {
  var counts: [[UInt8]: Int] = [:]
  for element in a { counts[element, default: 0] += 1 }
  for element in b { counts[element, default: 0] -= 1 }
  var onlyA: [[UInt8]] = []
  var onlyB: [[UInt8]] = []
  for (element, count) in counts {
    for _ in 0..<max(0, count) { onlyA.append(element) }
    for _ in 0..<max(0, -count) { onlyB.append(element) }
  }
  return (onlyA, onlyB)
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
