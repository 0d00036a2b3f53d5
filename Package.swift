// swift-tools-version: 6.2
import PackageDescription

/// Every target of our own: the Swift 6 language mode, and no warning survives.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

/// The rooms that all others stand on.
let base: [Target.Dependency] = ["Disk", "Records", "LosslessJSON"]

/// The rooms of the house, lowest first. A room may import only what its dependencies here allow.
/// Each names every room that it sees types of, those below its own dependencies too: an
/// incremental build compiles anew only what names the room that has changed.
let rooms: [Target] = [
  .systemLibrary(name: "CLibArchive", providers: [.apt(["libarchive-dev"])]),
  .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
  .systemLibrary(name: "CLinux"),
  .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
  .target(name: "LosslessJSON", swiftSettings: strict),
  .target(
    name: "Records",
    dependencies: ["LosslessJSON", .product(name: "Crypto", package: "swift-crypto")],
    swiftSettings: strict),
  .target(
    name: "Disk",
    dependencies: [
      "CLinux", "Records", "LosslessJSON", .product(name: "SystemPackage", package: "swift-system"),
    ],
    swiftSettings: strict),
  .target(name: "Stores", dependencies: base, swiftSettings: strict),
  .target(name: "RTFS", dependencies: base, swiftSettings: strict),
  .target(name: "Archive", dependencies: base + ["CLibArchive", "CZstd"], swiftSettings: strict),
  .target(name: "Database", dependencies: base + ["Stores", "CSQLite"], swiftSettings: strict),
  .target(
    name: "Snapshot", dependencies: base + ["Archive", "Stores", "RTFS"], swiftSettings: strict),
  .target(
    name: "HoldfastStorage",
    dependencies: base + ["Snapshot", "Database", "Archive", "Stores", "RTFS"],
    path: "Sources/Storage", swiftSettings: strict),
  .target(
    name: "Migration", dependencies: base + ["Snapshot", "Database", "Archive", "Stores"],
    swiftSettings: strict),
  .target(
    name: "Backup", dependencies: base + ["Snapshot", "Archive", "Stores", "RTFS", "CLinux"],
    swiftSettings: strict),
  .target(
    name: "Salvage",
    dependencies: base + ["Snapshot", "Database", "Archive", "Stores", "RTFS"],
    swiftSettings: strict),
  .target(
    name: "Commands",
    dependencies: base + [
      "Backup", "Migration", "Salvage", "HoldfastStorage", "Snapshot", "Database", "Archive",
      "Stores", "RTFS", "CLinux",
      .product(name: "ArgumentParser", package: "swift-argument-parser"),
    ],
    swiftSettings: strict),
  .executableTarget(
    name: "holdfast",
    dependencies: ["Commands"],
    swiftSettings: strict,
    // One file that runs after being copied alone: the Swift runtime is linked in. The two
    // libraries belong to FoundationEssentials, which the packages above import.
    // Not in debug builds: their flags reach the test bundles, which need the shared runtime.
    linkerSettings: [
      .unsafeFlags(["-static-stdlib"], .when(configuration: .release)),
      .linkedLibrary("_FoundationCollections", .when(configuration: .release)),
      .linkedLibrary("_FoundationCShims", .when(configuration: .release)),
    ]),
]

let tests: [Target] = [
  .target(
    name: "TestSupport",
    dependencies: ["LosslessJSON", .product(name: "SystemPackage", package: "swift-system")],
    path: "Tests/TestSupport", swiftSettings: strict),
  .testTarget(
    name: "LosslessJSONTests", dependencies: ["LosslessJSON", "TestSupport"],
    exclude: ["Support/canonical_reference.py"], swiftSettings: strict),
  .testTarget(
    name: "RecordsTests", dependencies: ["Records", "LosslessJSON", "TestSupport"],
    swiftSettings: strict),
  .testTarget(name: "DiskTests", dependencies: base + ["TestSupport"], swiftSettings: strict),
  .testTarget(
    name: "StoresTests", dependencies: base + ["Stores", "TestSupport"], swiftSettings: strict),
  .testTarget(
    name: "SnapshotTests",
    dependencies: base + ["Snapshot", "Archive", "Stores", "RTFS", "TestSupport"],
    swiftSettings: strict),
  .testTarget(
    name: "BackupTests",
    dependencies: base + ["Backup", "Snapshot", "Archive", "Stores", "RTFS", "TestSupport"],
    exclude: ["Golden"], swiftSettings: strict),
  .testTarget(
    name: "DatabaseTests",
    dependencies: base + ["Database", "Migration", "Stores", "TestSupport"],
    swiftSettings: strict),
  .testTarget(
    name: "SalvageTests",
    dependencies: base + ["Salvage", "Snapshot", "Archive", "Stores", "RTFS", "TestSupport"],
    exclude: ["Found"], swiftSettings: strict),
  .testTarget(name: "RTFSTests", dependencies: base + ["RTFS"], swiftSettings: strict),
  .testTarget(
    name: "ArchiveTests", dependencies: base + ["Archive", "TestSupport"], swiftSettings: strict),
  // A program that writes to a store, several of which the tests run at once, and kill.
  .executableTarget(
    name: "StorageWorker", dependencies: ["HoldfastStorage"], path: "Tests/StorageWorker",
    swiftSettings: strict),
  .testTarget(
    name: "StorageTests",
    dependencies: base + [
      "HoldfastStorage", "Database", "Stores", "TestSupport", "StorageWorker",
    ],
    swiftSettings: strict),
  .testTarget(
    name: "DocumentationTests", dependencies: ["Records"], swiftSettings: strict),
  .testTarget(
    name: "CommandLineTests", exclude: ["Golden"],
    swiftSettings: strict),
]

let package = Package(
  name: "holdfast",
  products: [
    .executable(name: "holdfast", targets: ["holdfast"]),
    .library(name: "HoldfastStorage", targets: ["HoldfastStorage"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: rooms + tests
)
