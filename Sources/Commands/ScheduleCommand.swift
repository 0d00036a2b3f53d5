import ArgumentParser
import Backup
import Disk
import LosslessJSON
import SystemPackage

struct ScheduleCommand: Verb {
  static let verb = "schedule"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "schedule",
    abstract: "Print the crontab line or the systemd units for the nightly job.",
    discussion: """
      They name this program and the configuration by absolute paths, and run as they are printed. \
      When, is what [schedule] of the configuration says, in the local time of the machine: \
      at = "03:15", every = "1d". Nothing is installed:

        (crontab -l; holdfast schedule cron) | crontab -
        holdfast schedule systemd --unit service > ~/.config/systemd/user/holdfast.service
        holdfast schedule systemd --unit timer > ~/.config/systemd/user/holdfast.timer
        systemctl --user enable --now holdfast.timer

      \(ExitStatus.help([.notFound]))
      """)

  enum Target: String, ExpressibleByArgument, CaseIterable { case cron, systemd }
  enum Unit: String, ExpressibleByArgument, CaseIterable { case service, timer }

  @Argument(help: ArgumentHelp("cron or systemd.", valueName: "target"))
  var target: Target

  @OptionGroup var file: ConfigOption

  @Option(
    name: .long,
    help: ArgumentHelp("Only this unit of systemd: service or timer.", valueName: "unit"))
  var unit: Unit?

  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    guard unit == nil || target == .systemd else {
      throw ValidationError("--unit goes with systemd")
    }
    let schedule = Schedule(
      program: Disk.absolute("/proc/self/exe"), configuration: try file.read())
    switch target {
    case .cron:
      let line = try schedule.cronLine()
      console.json(Self.verb) { $0.member("crontab", line) }
      console.result(line)
    case .systemd:
      let (service, timer) = (try schedule.service(), try schedule.timer())
      console.json(Self.verb) {
        if unit != .timer { $0.member("service", service) }
        if unit != .service { $0.member("timer", timer) }
      }
      if unit == nil { console.result("# holdfast.service") }
      if unit != .timer { console.result(String(service.dropLast())) }
      if unit == nil { console.result("\n# holdfast.timer") }
      if unit != .service { console.result(String(timer.dropLast())) }
    }
    return .done
  }
}
