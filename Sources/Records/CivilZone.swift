/// The offsets of a time zone from UTC, as the compiled zone files of a system hold them
/// (RFC 9636), or one fixed offset.
package struct CivilZone: Sendable, Equatable {
  /// `UTC`, `Europe/Berlin`, `+02:00`: as it was asked for.
  package let name: String
  /// When the offset changes, in unix seconds, oldest first, and what it is from then on.
  private var changes: [Change] = []
  /// Seconds east of UTC before the first change.
  private var first: Int
  /// What holds behind the last change.
  private var rule: CivilZoneRule?

  private struct Change: Sendable, Equatable {
    var time: Int
    var offset: Int
  }

  package static let utc = CivilZone(name: "UTC", offset: 0)

  /// - Parameter offset: seconds east of UTC.
  package init(name: String, offset: Int) {
    self.name = name
    first = offset
  }

  /// `+02:00`, `-0330` or `UTC`; nil for anything else.
  package init?(offset text: String) {
    if ["UTC", "Z"].contains(text) {
      self = .utc
      return
    }
    let digits = text.utf8.dropFirst().filter { $0 != 0x3A }
    guard let sign = text.utf8.first, sign == 0x2B || sign == 0x2D, digits.count == 4,
      digits.allSatisfy({ (0x30...0x39).contains($0) }), text.utf8.count <= 6,
      let number = Int(String(decoding: digits, as: UTF8.self)), number / 100 < 24,
      number % 100 < 60
    else { return nil }
    let seconds = number / 100 * 3600 + number % 100 * 60
    self.init(name: text, offset: sign == 0x2B ? seconds : -seconds)
  }

  /// A compiled zone file of version 2 or later; nil where it is none.
  package init?(name: String, file: Span<UInt8>) {
    var reader = ZoneFileReader(file)
    guard let old = reader.header(), old.version >= 0x32 else { return nil }
    reader.at += old.bodySize(wide: 4)
    guard let header = reader.header(), header.typeCount > 0 else { return nil }
    guard reader.at + header.bodySize(wide: 8) <= file.count else { return nil }
    let times = (0..<header.timeCount).map { _ in reader.integer(8) }
    let kinds = (0..<header.timeCount).map { _ in reader.integer(1) & 0xFF }
    let offsets = (0..<header.typeCount).map { _ -> Int in
      let offset = reader.integer(4)
      reader.at += 2
      return offset
    }
    guard kinds.allSatisfy(offsets.indices.contains), times == times.sorted() else { return nil }
    self.name = name
    first = offsets[0]
    changes = zip(times, kinds).map { Change(time: $0, offset: offsets[$1]) }
    reader.at += header.nameSize + header.leapCount * 12 + header.standardCount + header.utcCount
    rule = reader.footer().flatMap(CivilZoneRule.init)
  }

  /// Seconds east of UTC at `time` (unix seconds).
  package func offset(at time: Int) -> Int {
    guard let last = changes.last else { return rule?.offset(at: time) ?? first }
    if time >= last.time { return rule?.offset(at: time) ?? last.offset }
    var (low, high) = (0, changes.count)
    while low < high {
      let middle = (low + high) / 2
      if changes[middle].time <= time { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? first : changes[low - 1].offset
  }
}

/// The parts of a compiled zone file, in order.
private struct ZoneFileReader: ~Escapable {
  private let bytes: Span<UInt8>
  var at = 0

  struct Header {
    var version: UInt8
    var utcCount: Int
    var standardCount: Int
    var leapCount: Int
    var timeCount: Int
    var typeCount: Int
    var nameSize: Int

    /// Bytes behind the header; times are `wide` bytes each.
    func bodySize(wide: Int) -> Int {
      timeCount * (wide + 1) + typeCount * 6 + nameSize + leapCount * (wide + 4) + standardCount
        + utcCount
    }
  }

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  mutating func header() -> Header? {
    guard at >= 0, at + 44 <= bytes.count,
      (0..<4).map({ bytes[at + $0] }) == Array("TZif".utf8)
    else { return nil }
    let version = bytes[at + 4]
    at += 20
    let counts = (0..<6).map { _ in integer(4) }
    guard counts.allSatisfy({ (0...100_000).contains($0) }) else { return nil }
    return Header(
      version: version, utcCount: counts[0], standardCount: counts[1], leapCount: counts[2],
      timeCount: counts[3], typeCount: counts[4], nameSize: counts[5])
  }

  /// A signed number, most significant byte first; the caller has checked that it is there.
  mutating func integer(_ size: Int) -> Int {
    var value = Int(Int8(bitPattern: bytes[at]))
    for index in 1..<max(size, 1) { value = value << 8 | Int(bytes[at + index]) }
    at += size
    return value
  }

  /// The text between the two line feeds at the end.
  func footer() -> [UInt8]? {
    guard at < bytes.count, bytes[at] == 0x0A else { return nil }
    return (at + 1..<bytes.count).map { bytes[$0] }.prefix { $0 != 0x0A }
  }
}
