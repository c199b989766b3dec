// KeyOpener: from the name of a key file to a key that signs: read from the file, or held by an ssh-agent where the file is encrypted or only its public
// half is here. A passphrase is never read by this program: an agent takes it.

import Faults
import Foundation

/// Opens the keys of one process, each with one question at most.
public final class KeyOpener {
    /// Gives an agent that holds the key of an encrypted file, after it asked a person. Throws where it was not told the passphrase.
    public typealias Unlocking = (_ path: String) throws(Fault) -> SSHAgent

    private let agent: SSHAgent?
    private let unlock: Unlocking?
    private var unlocked: [String: SSHAgent] = [:]

    /// Takes the person's agent, nil where there is none, and how a person is asked, nil where nobody can be asked.
    public init(agent: SSHAgent?, unlock: Unlocking?) {
        self.agent = agent
        self.unlock = unlock
    }

    /// Whether a key is named there: its file, or its public half alone.
    public func isThere(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path) || FileManager.default.fileExists(atPath: path + ".pub")
    }

    /// Opens a key for signing. Throws `keys.missing`, `keys.open`, `keys.bad-key`, `keys.bad-public-key`; `keys.encrypted` where nothing opens
    /// the file; and `keys.agent` where the public half alone is here and no agent holds the private one.
    public func open(_ path: String) throws(Fault) -> SSHSigner {
        if isPublicAlone(path) {
            let key = try SSHPublicKey(reading: path + ".pub")
            let (holder, why) = holder(of: key.blob)
            guard let holder else { throw Self.notHeld(key, path, why) }
            return SSHSigner(key, in: holder)
        }
        let file = try SSHKeyFile(reading: path)
        guard file.isEncrypted else { return SSHSigner(try SSHPrivateKey(file, path)) }
        guard file.count == 1, let key = SSHPublicKey(blob: file.publicBlob) else {
            throw .badKey(path, "the file does not hold one Ed25519 key")
        }
        return SSHSigner(key, in: try agent(for: file, path))
    }

    /// The public half of a key, for which no passphrase is needed. Throws as `open` does of files.
    public func publicKey(_ path: String) throws(Fault) -> SSHPublicKey {
        if isPublicAlone(path) { return try SSHPublicKey(reading: path + ".pub") }
        let file = try SSHKeyFile(reading: path)
        guard file.count == 1, let key = SSHPublicKey(blob: file.publicBlob) else {
            throw .badKey(path, "the file does not hold one Ed25519 key")
        }
        return key
    }

    /// The agent that a connection by ssh has to use with this key, of whatever kind; nil where the file serves as it is, or where there is none.
    /// Throws `keys.open`, and `keys.encrypted` where nothing opens the file.
    package func transportAgent(_ path: String) throws(Fault) -> SSHAgent? {
        if isPublicAlone(path) { return agent }
        guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
        try SSHKeyFile.requireOwnerAlone(path)
        // Keys in other forms are libssh2's to read.
        guard let file = SSHKeyFile(parsing: Array(bytes)), file.isEncrypted else { return nil }
        return try agent(for: file, path)
    }

    private func isPublicAlone(_ path: String) -> Bool {
        !FileManager.default.fileExists(atPath: path) && FileManager.default.fileExists(atPath: path + ".pub")
    }

    /// The person's agent where it holds the key; else one that was told the passphrase.
    private func agent(for file: SSHKeyFile, _ path: String) throws(Fault) -> SSHAgent {
        let (holder, why) = holder(of: file.publicBlob)
        if let holder { return holder }
        if let known = unlocked[path] { return known }
        guard let unlock else {
            throw .encryptedKey(path, file.cipher, "\(why), and there is no terminal to ask for the passphrase")
        }
        let opened = try unlock(path)
        guard try opened.keys().contains(file.publicBlob) else {
            throw .badKey(path, "the two halves of the key do not belong together")
        }
        unlocked[path] = opened
        return opened
    }

    private func holder(of blob: [UInt8]) -> (agent: SSHAgent?, why: String) {
        guard let agent else { return (nil, "no ssh-agent is named by SSH_AUTH_SOCK") }
        do throws(Fault) {
            let keys = try agent.keys()
            return keys.contains(blob) ? (agent, "") : (nil, "the ssh-agent holds \(keys.count) other keys")
        } catch {
            return (nil, error.what)
        }
    }

    private static func notHeld(_ key: SSHPublicKey, _ path: String, _ why: String) -> Fault {
        Fault(
            .data, "keys.agent", "the private half of \(key) is not here, and \(why)", at: Place(file: path + ".pub"),
            mend: "Run ssh-add with the private key, and start this command with the SSH_AUTH_SOCK of that agent.")
    }
}
