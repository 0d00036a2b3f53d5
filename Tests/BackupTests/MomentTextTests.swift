import Backup
import Testing

struct MomentTextTests {
  @Test(arguments: [
    ("20261120T031500Z", 1_795_144_500), ("2026-11-20T03:15:00Z", 1_795_144_500),
    ("2026-11-20T05:15:00+02:00", 1_795_144_500), ("2026-11-20", 1_795_219_199),
    ("19700101T000000Z", 0), ("20261320T031500Z", nil), ("2026", nil), ("", nil),
    ("latest", nil), ("20261120T031500", nil), ("+0261120T031500Z", nil),
    // 16 bytes that are fewer characters, with the letters where the form has them.
    ("éééé1120T031500Z".dropFirst(0).description, nil), ("ééééT031500Z", nil),
    ("\r\n\r\n\r\n\r\nT031500Z", nil), ("20261120T\u{1F600}00Z", nil),
    ("20261120Té\u{301}é0Z", nil), ("e\u{301}e\u{301}eeT\u{1F600}eeZ", nil),
  ])
  func moments(text: String, seconds: Int?) { #expect(MomentText.parse(text) == seconds) }
}
