// swift-tools-version: 6.2
import PackageDescription

/// Fuzz targets for everything that reads bytes which may be damaged: `make fuzz` builds and runs
/// them. A package of its own, so that the product's never depends on it; its rooms are links to
/// the product's sources, built with coverage and the address sanitizer.
let instrumented: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableExperimentalFeature("Lifetimes"),
  .unsafeFlags(["-sanitize=fuzzer"]),
]

let base: [Target.Dependency] = ["Disk", "Records", "LosslessJSON"]

let package = Package(
  name: "fuzz",
  dependencies: [
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: [
    .systemLibrary(name: "CFuzzer"),
    .systemLibrary(name: "CLibArchive"),
    .systemLibrary(name: "CZstd"),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CSQLite"),
    .target(name: "LosslessJSON", swiftSettings: instrumented),
    .target(
      name: "Records",
      dependencies: ["LosslessJSON", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: instrumented),
    .target(
      name: "Disk",
      dependencies: [
        "CLinux", "Records", "LosslessJSON",
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: instrumented),
    .target(name: "Stores", dependencies: base, swiftSettings: instrumented),
    .target(name: "RTFS", dependencies: base, swiftSettings: instrumented),
    .target(
      name: "Archive", dependencies: base + ["CLibArchive", "CZstd"],
      swiftSettings: instrumented),
    .target(
      name: "Database", dependencies: base + ["Stores", "CSQLite"], swiftSettings: instrumented),
    .target(
      name: "Snapshot", dependencies: base + ["Archive", "Stores", "RTFS"],
      swiftSettings: instrumented),
    .target(
      name: "Salvage",
      dependencies: base + ["Snapshot", "Database", "Archive", "Stores", "RTFS"],
      swiftSettings: instrumented),
    .executableTarget(
      name: "Fuzz",
      dependencies: base + [
        "CFuzzer", "Salvage", "Snapshot", "Archive", "Stores", "RTFS",
      ],
      swiftSettings: [.swiftLanguageMode(.v6), .enableExperimentalFeature("Lifetimes")]),
  ]
)
