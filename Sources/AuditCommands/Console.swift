// Console: prints everything, and knows whether the output is a terminal.

import Faults
import Foundation

/// Where lines are printed: results to standard output, progress and faults to standard error.
package struct Console {
    /// Whether progress may overwrite its own line.
    package let isTerminal: Bool
    /// Whether progress is left out altogether.
    let isQuiet: Bool

    package init(quiet: Bool = false) {
        // A dumb terminal does not obey escape sequences: it gets whole lines, as a file does.
        isTerminal = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        isQuiet = quiet
    }

    /// A line of results.
    package static func result(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").withoutControls.utf8))
    }

    /// Results that have their own line ends and may hold text of notes; in a file unchanged, on a terminal without control characters.
    package static func text(_ text: String) {
        let shown = isatty(STDOUT_FILENO) == 1 ? text.withoutControls : text
        FileHandle.standardOutput.write(Data(shown.utf8))
    }

    /// A result that has its own line ends, such as canonical JSON.
    package static func result(raw bytes: [UInt8]) { FileHandle.standardOutput.write(Data(bytes)) }

    /// A line for the person at the terminal.
    package func note(_ line: String) {
        guard !isQuiet else { return }
        FileHandle.standardError.write(Data(((isTerminal ? "\r\u{1b}[K" : "") + line.withoutControls + "\n").utf8))
    }

    /// A line that the next one overwrites; not printed where there is no terminal.
    package func status(_ line: String) {
        guard isTerminal, !isQuiet else { return }
        FileHandle.standardError.write(Data("\r\u{1b}[K\(line.withoutControls.prefix(columns - 1))".utf8))
    }

    /// Lines in the place of so many that were drawn before; the cursor stays below them. How many are there now: none where there is no terminal.
    package func table(_ lines: [String], over before: Int) -> Int {
        guard isTerminal, !isQuiet, before > 0 || !lines.isEmpty else { return 0 }
        let up = before > 0 ? "\u{1b}[\(before)A" : ""
        let text: String = lines.map { "\($0.withoutControls.prefix(columns - 1))\n" }.joined()
        FileHandle.standardError.write(Data("\(up)\r\u{1b}[J\(text)".utf8))
        return lines.count
    }

    /// A fault in full.
    static func fault(_ text: String) { FileHandle.standardError.write(Data((text + "\n").withoutControls.utf8)) }

    /// The width of the terminal.
    package var columns: Int { Self.columns(of: STDERR_FILENO) ?? 80 }

    /// The height of the terminal.
    package var rows: Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 4 ? Int(size.ws_row) : 24
    }

    /// The width of the terminal that results go to; nil where they go into a file or a pipe.
    static var resultColumns: Int? { isatty(STDOUT_FILENO) == 1 ? columns(of: STDOUT_FILENO) ?? 80 : nil }

    private static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : nil
    }
}

extension String {
    /// The text with a replacement mark for every control character except line ends and tabs, and for the marks that change the direction
    /// of text: names of files and labels of corpora come from elsewhere, and a terminal obeys what it gets.
    var withoutControls: String {
        func isBad(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.value {
            case 0x09, 0x0a: false
            case 0..<0x20, 0x7f...0x9f, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069: true
            default: false
            }
        }
        guard unicodeScalars.contains(where: isBad) else { return self }
        var view = String.UnicodeScalarView()
        view.append(contentsOf: unicodeScalars.map { isBad($0) ? "\u{fffd}" : $0 })
        return String(view)
    }
}

/// A table of text: columns as wide as their widest cell, numbers to the right. On a terminal that is too narrow for it every row is a
/// block of lines, a cell each, since wrapped rows cannot be read.
package struct Table {
    let header: [String]
    private(set) var rows: [[String]] = []

    package init(_ header: String...) { self.header = header }
    package init(_ header: [String]) { self.header = header }

    package mutating func add(_ cells: String...) { rows.append(cells) }
    package mutating func add(_ cells: [String]) { rows.append(cells) }

    package var lines: [String] { lines(columns: Console.resultColumns) }

    /// The lines for a terminal of so many columns; nil for a file, whose lines may be of any length.
    package func lines(columns: Int?) -> [String] {
        let flat = flatLines
        guard let columns, flat.contains(where: { $0.count > columns }) else { return flat }
        let width = header.dropFirst().map(\.count).max() ?? 0
        return rows.flatMap { row -> [String] in
            let title = "\(header[0]) \(row.first ?? "")"
            let cells = zip(header, row).dropFirst().filter { !$0.1.isEmpty && $0.1 != "-" }
            return [title]
                + cells.map { name, cell in
                    "  " + name + String(repeating: " ", count: width - name.count + 2) + cell
                }
        }
    }

    private var flatLines: [String] {
        let all = [header] + rows
        let widths = header.indices.map { column in
            all.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        let numeric = header.indices.map { column in
            rows.allSatisfy { row in
                let cell = row.indices.contains(column) ? row[column] : ""
                return cell.isEmpty || cell == "-" || cell.first.map { $0.isNumber || $0 == "-" } == true
            } && !rows.isEmpty
        }
        func line(_ cells: [String]) -> String {
            let padded = header.indices.map { column -> String in
                let cell = cells.indices.contains(column) ? cells[column] : ""
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return numeric[column] ? space + cell : cell + space
            }
            var text = padded.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            return text
        }
        return [line(header), widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")] + rows.map(line)
    }
}
