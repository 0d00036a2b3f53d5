import SystemPackage

/// What went wrong with a file: which one, doing what, and what the person can do next.
package struct DiskError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case notFound = "not-found"
    /// What was to be written may not be, or a directory may not be gone through.
    case notWritable = "not-writable"
    /// What was to be read may not be.
    case notReadable = "not-readable"
    case noSpace = "no-space"
    case locked
    case exists
    case notRegular = "not-a-regular-file"
    case shortRead = "short-read"
    case changed = "changed-while-reading"
    case interrupted
    case failed = "io"
  }

  package var code: Code
  package var message: String
  package var path: FilePath?
  /// Byte offset in the file, where one is known.
  package var offset: Int?
  package var cause: Errno?
  package var hint: String?

  package init(
    _ code: Code, _ message: String, path: FilePath? = nil, offset: Int? = nil,
    cause: Errno? = nil, hint: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.offset = offset
    self.cause = cause
    self.hint = hint
  }

  /// The error for a failed system call: `action` says what was tried, as in "cannot open".
  package init(_ action: String, _ path: FilePath, _ cause: Errno) {
    let code: Code
    var hint: String?
    switch cause {
    case .noSuchFileOrDirectory, .notDirectory: code = .notFound
    case .noSpace, .diskQuotaExceeded, .fileTooLarge:
      code = .noSpace
      hint = "free some space and run it again"
    case .permissionDenied, .notPermitted, .readOnlyFileSystem:
      code = .notWritable
      hint = "check the permissions of the file and its directory"
    case .fileExists: code = .exists
    default: code = .failed
    }
    self.init(
      code, "\(action): \(cause.description.lowercased())", path: path, cause: cause, hint: hint)
  }

  /// The error as it is to be told of something that was only to be read.
  package var ofReading: DiskError {
    guard code == .notWritable else { return self }
    var error = self
    error.code = .notReadable
    error.hint = "check the permissions of it and of the directories above it"
    return error
  }

  package var description: String { "\(path.map { "\($0): " } ?? "")\(message)" }
}
