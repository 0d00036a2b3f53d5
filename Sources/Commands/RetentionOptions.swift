import ArgumentParser
import Backup
import Records

/// The policy as the command line says it.
struct RetentionOptions: ParsableArguments {
  @Option(name: .long, help: ArgumentHelp("The newest N.", valueName: "n"))
  var keepLast: Int?

  @Option(name: .long, help: ArgumentHelp("The newest of each of N hours.", valueName: "n"))
  var keepHourly: Int?

  @Option(name: .long, help: ArgumentHelp("The newest of each of N days.", valueName: "n"))
  var keepDaily: Int?

  @Option(name: .long, help: ArgumentHelp("The newest of each of N ISO weeks.", valueName: "n"))
  var keepWeekly: Int?

  @Option(name: .long, help: ArgumentHelp("The newest of each of N months.", valueName: "n"))
  var keepMonthly: Int?

  @Option(name: .long, help: ArgumentHelp("The newest of each of N years.", valueName: "n"))
  var keepYearly: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "All that are at most this much older than the newest good one: 36h, 14d, 8w.",
      valueName: "span"))
  var keepWithin: RetentionSpan?

  @OptionGroup var zone: ZoneOption

  func policy() throws -> RetentionPolicy {
    var policy = RetentionPolicy()
    let counts: [(RetentionPolicy.Tier, Int?)] = [
      (.last, keepLast), (.hourly, keepHourly), (.daily, keepDaily), (.weekly, keepWeekly),
      (.monthly, keepMonthly), (.yearly, keepYearly),
    ]
    for (tier, count) in counts {
      guard let count else { continue }
      guard count >= 0 else {
        throw ValidationError("--keep-\(tier.rawValue) takes a number from 0 up, not \(count)")
      }
      policy.counts[tier] = count
    }
    policy.within = keepWithin?.seconds
    policy.zone = try zone.zone()
    return policy
  }
}

struct ZoneOption: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Whose hours, days, weeks, months and years: UTC, +02:00, Europe/Berlin.",
      valueName: "zone"))
  var timezone: String = "UTC"

  func zone() throws -> CivilZone { try CivilZone.named(timezone) }
}

extension RetentionSpan: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
