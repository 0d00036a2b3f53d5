import Database
import Disk
import LosslessJSON
import Stores

/// What went wrong in a store: what it was, where, why, and what to do next.
public struct StorageError: Error, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// There is no record of that id, or no store at that place.
    case notFound = "not-found"
    /// A record of that id is there already.
    case exists
    /// The record has been changed since it was read.
    case conflict
    /// Another process has held the store for longer than the time limit.
    case locked
    /// What was given is no record of its kind, or breaks a rule of it.
    case invalid
    /// The store has no place for records of that kind.
    case unsupported
    /// The bytes concerned cannot be read.
    case damaged
    case notWritable = "not-writable"
    case noSpace = "no-space"
    case interrupted
    case failed
  }

  public var code: Code
  /// Lower case, no full stop.
  public var message: String
  public var path: String?
  /// Byte offset in the file, or in the text that was given.
  public var offset: Int?
  /// The line of that byte, from 1.
  public var line: Int?
  /// The error below, where there was one.
  public var cause: (any Error)?
  public var hint: String?

  public init(
    _ code: Code, _ message: String, path: String? = nil, offset: Int? = nil, line: Int? = nil,
    cause: (any Error)? = nil, hint: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.offset = offset
    self.line = line
    self.cause = cause
    self.hint = hint
  }

  public var description: String {
    let place = [path, line.map { "line \($0)" }, offset.map { "byte \($0)" }].compactMap { $0 }
    return (place.isEmpty ? "" : place.joined(separator: ", ") + ": ") + message
  }

  /// An error of the rooms below, told as one of this room.
  package init(_ error: any Error, path: String? = nil) {
    switch error {
    case let error as StorageError: self = error
    case let error as DiskError:
      let code: Code
      switch error.code {
      case .notFound: code = .notFound
      case .notWritable, .notReadable: code = .notWritable
      case .noSpace: code = .noSpace
      case .locked: code = .locked
      case .exists: code = .exists
      case .interrupted: code = .interrupted
      case .shortRead, .changed, .notRegular, .failed: code = .failed
      }
      self.init(
        code, error.message, path: error.path?.string ?? path, offset: error.offset, cause: error,
        hint: error.hint)
    case let error as DatabaseError:
      let code: Code
      switch error.code {
      case .damaged: code = .damaged
      case .busy: code = .locked
      case .foreign: code = .unsupported
      case .noSpace: code = .noSpace
      case .notWritable: code = .notWritable
      case .interrupted: code = .interrupted
      case .sql, .failed: code = .failed
      }
      self.init(
        code, error.message, path: error.path ?? path, cause: error, hint: error.hint)
    case let error as StoreError:
      self.init(
        error.code == .notFound ? .notFound : .unsupported, error.message,
        path: error.path ?? path, offset: error.offset, line: error.line, cause: error,
        hint: error.hint)
    case let error as JSONError:
      self.init(
        .invalid, "is no JSON: \(error.reason.rawValue)", offset: error.offset, cause: error)
    default: self.init(.failed, "\(error)", path: path, cause: error)
    }
  }
}
