import SystemPackage

/// Why a salvage could not be done. Damage of the input is never one of the reasons.
package struct SalvageError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case notFound = "not-found"
    case exists = "target-not-empty"
    case usage
    case refused
    /// The ranges of an input do not add up: a defect of ours, and nothing is published.
    case account
  }

  package var code: Code
  package var message: String
  package var path: String?
  package var offset: Int?
  package var hint: String?

  package init(
    _ code: Code, _ message: String, path: String? = nil, offset: Int? = nil, hint: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.offset = offset
    self.hint = hint
  }

  package var description: String { "\(path.map { "\($0): " } ?? "")\(message)" }
}
