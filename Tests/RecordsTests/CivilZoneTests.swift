import Glibc
import Records
import SystemPackage
import TestSupport
import Testing

struct CivilZoneTests {
  private func zone(_ name: String) throws -> CivilZone {
    let bytes = try Scratch.read(FilePath("/usr/share/zoneinfo/\(name)"))
    let zone = CivilZone(name: name, file: bytes.span)
    return try #require(zone)
  }

  /// As Python tells it of the same files, over two centuries.
  @Test(arguments: [
    "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca",
    "America/Sao_Paulo", "Pacific/Apia", "Europe/Dublin", "America/Havana", "UTC", "Asia/Tehran",
  ])
  func sameAsPython(_ name: String) throws {
    let scratch = try Scratch()
    var random = Seeded()
    let zone = try zone(name)
    var times = (0..<400).map { _ in random.below(6_000_000_000) - 2_000_000_000 }
    times += (0..<400).map { 1_600_000_000 + $0 * 3_000_000 }
    // Every half hour of the days around changes of the clock.
    times +=
      (0..<200).map { 1_774_700_000 + $0 * 1800 } + (0..<200).map { 1_792_700_000 + $0 * 1800 }
    try scratch.write(times.map(String.init).joined(separator: "\n"), to: "times")
    let script = """
      import sys, datetime, zoneinfo
      zone = zoneinfo.ZoneInfo(sys.argv[1])
      for line in open('times'):
          moment = datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(seconds=int(line))
          print(int(moment.astimezone(zone).utcoffset().total_seconds()))
      """
    let told = try scratch.python(script, name).split(separator: "\n").compactMap { Int($0) }
    #expect(told.count == times.count)
    for (time, offset) in zip(times, told) {
      #expect(zone.offset(at: time) == offset, "\(name) at \(time), seed \(random.seed)")
    }
  }

  @Test(arguments: [
    ("+02:00", 7200), ("-0330", -12_600), ("UTC", 0), ("Z", 0), ("+0000", 0), ("-12:00", -43_200),
  ])
  func offsets(_ text: String, _ seconds: Int) {
    #expect(CivilZone(offset: text)?.offset(at: 0) == seconds)
  }

  @Test(arguments: ["", "+2", "+25:00", "+02:60", "02:00", "+02:00:00", "+ab:cd", "CET", "+"])
  func noOffsets(_ text: String) { #expect(CivilZone(offset: text) == nil) }

  /// Cut off or changed anywhere, a file is refused or read, and nothing else happens.
  @Test func damagedFiles() throws {
    let bytes = try Scratch.read(FilePath("/usr/share/zoneinfo/Europe/Berlin"))
    for count in 0..<min(bytes.count, 400) {
      let short = Array(bytes.prefix(count))
      #expect(CivilZone(name: "x", file: short.span)?.offset(at: 0) == nil || count > 300)
    }
    var random = Seeded()
    for _ in 0..<3000 {
      var changed = bytes
      changed[random.below(bytes.count)] = UInt8(random.below(256))
      _ = CivilZone(name: "x", file: changed.span)?.offset(at: random.below(4_000_000_000))
    }
  }
}
