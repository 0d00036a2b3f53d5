import Records
import TestSupport
import Testing

struct ISOTimeTests {
  private func parse(_ text: [UInt8]) -> ISOTime? { ISOTime(text.span) }

  @Test(arguments: [
    ("1970-01-01", 0, 0), ("1970-01-01T00:00:00Z", 0, 0), ("1969-12-31T23:59:59Z", -1, 0),
    ("2026-01-03T00:26:10.220Z", 1_767_399_970, 220_000_000),
    ("2026-01-03 00:26:10,5", 1_767_399_970, 500_000_000),
    ("2026-01-03T00:26", 1_767_399_960, 0), ("2026-01-03T02:26+02", 1_767_399_960, 0),
    ("2026-01-03T02:26+0200", 1_767_399_960, 0), ("2026-01-02T19:26-05:00", 1_767_399_960, 0),
    ("2026-01-03T00:26:10.1234567891234Z", 1_767_399_970, 123_456_789),
    ("2024-02-29", 1_709_164_800, 0), ("2000-02-29", 951_782_400, 0),
    ("2026-01-02T24:00:00Z", 1_767_398_400, 0),
    ("2026-06-30T23:59:60.5Z", 1_782_864_000, 500_000_000),
  ])
  func times(text: String, seconds: Int, nanoseconds: Int) {
    let time = parse(Array(text.utf8))
    #expect(time == ISOTime(seconds: seconds, nanoseconds: nanoseconds))
  }

  @Test(arguments: [
    "", "2026", "2026-1-03", "2026-13-01", "2026-00-01", "2026-02-29", "1900-02-29", "2026-01-32",
    "2026-01-00", "2026-01-03T", "2026-01-03T1", "2026-01-03T25:00", "2026-01-03T00:60",
    "2026-01-03T00:00:61", "2026-01-03T00:00:00.", "2026-01-03T00:00:00Zx", "2026-01-03x",
    "2026-01-03T00:26+", "2026-01-03T00:26+2", "2026-01-03T00:26+02:", "2026-01-03T00:26+02:6",
    "2026-01-03T00:26+24:00", "2026-01-03T24:30", "2026-01-03T24:00:01", "2026-01-03T24:00:00.1",
    " 2026-01-03", "２０２６-01-03", "-026-01-03", "2026-01-03T00:00ZZ",
  ])
  func noTimes(text: String) { #expect(parse(Array(text.utf8)) == nil) }

  @Test func textAndDatesComeBack() {
    var random = Seeded()
    for _ in 0..<2000 {
      let seconds = Int.random(in: -62_167_219_200..<253_402_300_800, using: &random)
      let time = ISOTime(seconds: seconds)
      #expect(parse(Array(time.text.utf8)) == time, "seed \(random.seed)")
      #expect(time.compactText == time.text.filter { $0 != "-" && $0 != ":" })
    }
    #expect(ISOTime(seconds: 1_795_144_500).compactText == "20261120T031500Z")
  }

  @Test func anyBytesEndWithoutATrap() {
    var random = Seeded()
    let letters = Array("0123456789-T:.,+Z zt".utf8)
    for _ in 0..<20_000 {
      var text = Array("2026-01-03T00:26:10.220+02:00".utf8)
      for _ in 0...random.below(3) { text[random.below(text.count)] = random.pick(letters) }
      _ = parse(Array(text.prefix(random.below(text.count + 1))))
    }
  }
}
