import Backup
import Disk
import LosslessJSON
import Records

/// What became of a series, as people, programs and hooks see it.
enum NightReport {
  /// How bad a code is beside others: what was saved all the same is the least.
  private static func rank(_ status: ExitStatus) -> Int32 {
    switch status {
    case .done: 0
    case .findings: 1
    case .failure: 2
    default: status.rawValue
    }
  }

  static func worst(_ statuses: [ExitStatus]) -> ExitStatus {
    statuses.max { rank($0) < rank($1) } ?? .done
  }

  static func verdict(_ result: NightResult) -> NightVerdict {
    let status = status(result)
    return NightVerdict(
      exitCode: Int(status.rawValue), json: json(result, status), message: message(result))
  }

  private static func status(_ result: NightResult) -> ExitStatus {
    if let error = result.error { return Failure(error).status }
    var statuses: [ExitStatus] = result.troubles.isEmpty ? [] : [.findings]
    if let backup = result.backup {
      let isSuspect = backup.archive != nil && backup.manifest.isSuspect
      if isSuspect || backup.obstacle != nil { statuses.append(.findings) }
    }
    if let rotation = result.rotation, RotationReport.isRefused(rotation) {
      statuses.append(.retentionRefused)
    }
    return worst(statuses)
  }

  /// What is wrong, on one line; nil if nothing is.
  private static func message(_ result: NightResult) -> String? {
    var parts: [String] = []
    if let error = result.error { parts.append(Failure(error).text) }
    if let backup = result.backup {
      let place = (backup.archive ?? backup.unchangedSince)?.string ?? ""
      if let obstacle = backup.obstacle {
        let what = backup.archive == nil ? "unchanged, and stands in" : "written here instead"
        parts.append("\(place): \(what): \(Failure(obstacle).text)")
      }
      if backup.archive != nil, backup.manifest.isSuspect {
        parts.append(
          "\(place): saved, but suspect: \(backup.manifest.suspicions.joined(separator: ", ")); "
            + "nothing is removed meanwhile; holdfast inspect tells more")
      }
    }
    if let rotation = result.rotation { parts += RotationReport.refusals(rotation) }
    parts += result.troubles.map { Failure($0).text }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  private static func state(_ result: NightResult) -> String {
    guard let backup = result.backup else { return "failed" }
    if backup.unchangedSince != nil { return "unchanged" }
    if backup.manifest.isSuspect { return "suspect" }
    return result.isGood || (backup.isVerified && result.error == nil) ? "verified" : "unverified"
  }

  static func line(_ result: NightResult, _ verdict: NightVerdict) -> String {
    var parts = ["\(result.series): \(state(result))"]
    if let backup = result.backup {
      parts.append("\(grouped(backup.manifest.recordCount)) records")
      if let seal = backup.seal { parts.append(humanBytes(seal.size)) }
    }
    if let rotation = result.rotation, let series = rotation.series.first {
      let removed = result.isForeseen ? series.retention.remove.count : result.removed.count
      let all = series.retention.keep.count + series.retention.remove.count
      parts.append("kept \(all - removed), removed \(removed)")
    }
    if !result.purged.isEmpty { parts.append("purged \(result.purged.count)") }
    if verdict.exitCode != 0 { parts.append("exit code \(verdict.exitCode)") }
    return parts.joined(separator: ", ")
  }

  /// What went, and in a dry run why the others stay; names alone, one a line.
  static func details(_ result: NightResult) -> [String] {
    var lines: [String] = []
    if result.isForeseen {
      for series in result.rotation?.series ?? [] {
        lines += series.retention.keep.map {
          "  keep     \($0.candidate.name)  \($0.reasons.joined(separator: ", "))"
        }
        lines += series.retention.remove.map { "  remove   \($0.name)" }
      }
    } else {
      lines += result.removed.keys.map { $0.lastComponent?.string ?? "" }.sorted().map {
        "  removed  \($0)"
      }
    }
    return lines.map(printable)
  }

  private static func json(_ result: NightResult, _ status: ExitStatus) -> [UInt8] {
    var builder = JSONBuilder(pretty: false)
    builder.object { object in
      object.member("series", result.series)
      object.member("store", Disk.absolute(result.store).string)
      object.member("time", ISOTime(seconds: result.time).text)
      object.member("milliseconds", Int((result.duration * 1000).rounded()))
      object.member("exit_code", Int(status.rawValue))
      object.member("state", state(result))
      object.member("message", ifPresent: message(result).map(printable))
      if let backup = result.backup {
        object.member("backup", ifPresent: backup.archive?.string)
        object.member("unchanged_since", ifPresent: backup.unchangedSince?.string)
        object.member("digest", backup.manifest.digest.hex)
        object.member("records", backup.manifest.recordCount)
        object.member("bytes", ifPresent: backup.seal?.size)
        object.key("findings")
        object.array(of: backup.log.findings) { $1.encode(to: &$0) }
      }
      if let rotation = result.rotation {
        object.key("rotation")
        object.object { RotationReport.encode(rotation, result.removed, to: &$0) }
      }
      if !result.purged.isEmpty {
        object.key("purged")
        object.array(of: result.purged) { $0.value(Disk.absolute($1).string) }
      }
      if let error = result.error { Failure(error).encodeError(to: &object) }
      if !result.troubles.isEmpty {
        object.key("troubles")
        object.array(of: result.troubles) { $0.value(Failure($1).text) }
      }
    }
    return builder.bytes.array
  }
}

/// What happens during a run, told as it happens: `--log-json`.
struct NightLog {
  let isJSON: Bool
  let console: Console

  private func write(_ level: String, _ event: String, _ body: (inout JSONBuilder) -> Void) {
    guard isJSON, !console.isQuiet || level != "info" else { return }
    var builder = JSONBuilder(pretty: false)
    builder.object {
      $0.member("time", ISOTime(seconds: Int(Clock.wall)).text)
      $0.member("level", level)
      $0.member("event", event)
      body(&$0)
    }
    Console.write(builder.bytes.array + [0x0A], to: .standardError)
  }

  func start(_ series: String) { write("info", "start") { $0.member("series", series) } }

  func end(_ result: NightResult, _ verdict: NightVerdict) {
    let level = verdict.exitCode == 0 ? "info" : verdict.exitCode == 3 ? "warning" : "error"
    write(level, "end") {
      $0.member("series", result.series)
      $0.member("exit_code", verdict.exitCode)
      $0.member("milliseconds", Int((result.duration * 1000).rounded()))
      $0.member("message", NightReport.line(result, verdict))
      $0.member("problem", ifPresent: verdict.message)
      $0.member("backup", ifPresent: result.backup?.archive?.string)
      $0.member("removed", result.removed.count)
    }
  }

  func trouble(_ failure: Failure) {
    write("warning", "textfile") { $0.member("problem", failure.text) }
  }
}
