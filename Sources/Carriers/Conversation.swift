// Conversation: what libgit2 asks during a connection: for credentials, whether the host is the right one, and whether to go on; and what a failure means.

import CLibgit2
import Faults

/// One connection's answers. It must live as long as the connection.
final class Conversation {
    private let address: GitAddress
    private let identity: CarrierIdentity
    private let progress: () -> Void
    /// A fault found in a callback: libgit2 hands on a number alone.
    private var fault: Fault?
    private var offers = 0
    /// The first ref that the hub did not move.
    private(set) var refused: String?

    init(_ address: GitAddress, _ identity: CarrierIdentity, _ progress: @escaping () -> Void) {
        self.address = address
        self.identity = identity
        self.progress = progress
    }

    func fill(_ callbacks: inout git_remote_callbacks) {
        callbacks.payload = Unmanaged.passUnretained(self).toOpaque()
        callbacks.credentials = giveCredentials
        callbacks.certificate_check = checkHost
        callbacks.push_update_reference = noteUpdate
        callbacks.transfer_progress = noteTransfer
        callbacks.push_transfer_progress = notePush
    }

    /// Throws what a code of libgit2 means: a fault that a callback found, a refusal, or a hub that cannot be reached now.
    func attempt(_ code: Int32) throws(Fault) {
        guard code < 0 else { return }
        if let fault { throw fault }
        let last = git_error_last()?.pointee
        let words = Self.plain(last?.message.map { String(cString: $0) } ?? "code \(code)")
        let kind = last?.klass ?? 0
        if code == GIT_EAUTH.rawValue {
            throw Fault(
                .failed, "mailbox.refused", "the hub does not let this key or token in",
                at: Place(file: address.url),
                mend: address.way == .ssh
                    ? "Give the hub's keeper the public half of \(identity.sshKey ?? "the agent's key"), and check the user's name."
                    : "Check the token in \(identity.tokenFile ?? "token_file").")
        }
        let network = [GIT_ERROR_NET, GIT_ERROR_SSH, GIT_ERROR_SSL, GIT_ERROR_HTTP, GIT_ERROR_OS].map {
            Int32(bitPattern: $0.rawValue)
        }
        guard network.contains(kind) || code == GIT_EEOF.rawValue || code == GIT_ERROR.rawValue else {
            throw Fault(
                .failed, "mailbox.refused", "the exchange with the hub failed: \(words)", at: Place(file: address.url),
                mend: "Check that the address names a bare git repository of SHA-1.")
        }
        throw .mailboxUnreachable(address.url, words)
    }

    /// What a hub says may hold anything: only plain characters reach a terminal.
    private static func plain(_ text: String) -> String {
        String(decoding: text.utf8.prefix(200).map { 0x20...0x7e ~= $0 ? $0 : 0x3f }, as: UTF8.self)
    }

    // MARK: Answers

    fileprivate func credentials(
        _ out: UnsafeMutablePointer<UnsafeMutablePointer<git_credential>?>?, _ named: String?, _ allowed: UInt32
    ) -> Int32 {
        let user = named ?? address.user ?? "git"
        if allowed & GIT_CREDENTIAL_USERNAME.rawValue != 0 { return git_credential_username_new(out, user) }
        offers += 1
        // libgit2 asks again after each refusal, without end.
        guard offers <= 3 else { return GIT_EAUTH.rawValue }
        if address.way == .ssh, allowed & GIT_CREDENTIAL_SSH_KEY.rawValue != 0 {
            guard let key = identity.sshKey else {
                return offers == 1 ? git_credential_ssh_key_from_agent(out, user) : GIT_EAUTH.rawValue
            }
            guard offers == 1 else { return GIT_EAUTH.rawValue }
            return git_credential_ssh_key_new(out, user, nil, key, nil)
        }
        if address.way == .https, allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT.rawValue != 0, offers == 1,
            let path = identity.tokenFile
        {
            do throws(Fault) {
                let (name, token) = try TokenFile.read(path)
                return git_credential_userpass_plaintext_new(out, name, token)
            } catch {
                fault = error
                return GIT_EUSER.rawValue
            }
        }
        return GIT_EAUTH.rawValue
    }

    fileprivate func host(_ certificate: UnsafeMutablePointer<git_cert>?, isValid: Bool) -> Int32 {
        guard let certificate else { return GIT_ECERTIFICATE.rawValue }
        guard certificate.pointee.cert_type == GIT_CERT_HOSTKEY_LIBSSH2 else {
            if isValid { return 0 }
            fault = Fault(
                .failed, "mailbox.host-key", "the certificate of \(address.host) is not one that this machine trusts",
                at: Place(file: address.url),
                mend: "Name the file of the certificate's authority with certificates:, or ask who runs the host.")
            return GIT_ECERTIFICATE.rawValue
        }
        let shown = UnsafeMutableRawPointer(certificate).assumingMemoryBound(to: git_cert_hostkey.self).pointee
        guard shown.type.rawValue & GIT_CERT_SSH_RAW.rawValue != 0, let bytes = shown.hostkey else {
            fault = .mailboxUnreachable(address.url, "the host showed no key")
            return GIT_ECERTIFICATE.rawValue
        }
        let key = UnsafeRawBufferPointer(start: bytes, count: shown.hostkey_len).map { $0 }
        fault = HostKey.flaw(key, of: address, identity)
        return fault == nil ? 0 : GIT_ECERTIFICATE.rawValue
    }

    fileprivate func update(_ name: String, _ status: String?) -> Int32 {
        if let status, refused == nil { refused = "\(Self.plain(name)): \(Self.plain(status))" }
        return 0
    }

    fileprivate func moved() -> Int32 {
        progress()
        return 0
    }

    fileprivate static func of(_ payload: UnsafeMutableRawPointer?) -> Conversation? {
        payload.map { Unmanaged<Conversation>.fromOpaque($0).takeUnretainedValue() }
    }
}

private func giveCredentials(
    _ out: UnsafeMutablePointer<UnsafeMutablePointer<git_credential>?>?, _ url: UnsafePointer<CChar>?,
    _ user: UnsafePointer<CChar>?, _ allowed: UInt32, _ payload: UnsafeMutableRawPointer?
) -> Int32 {
    Conversation.of(payload)?.credentials(out, user.map { String(cString: $0) }, allowed) ?? GIT_EAUTH.rawValue
}

private func checkHost(
    _ certificate: UnsafeMutablePointer<git_cert>?, _ isValid: Int32, _ host: UnsafePointer<CChar>?,
    _ payload: UnsafeMutableRawPointer?
) -> Int32 {
    Conversation.of(payload)?.host(certificate, isValid: isValid != 0) ?? GIT_ECERTIFICATE.rawValue
}

private func noteUpdate(
    _ name: UnsafePointer<CChar>?, _ status: UnsafePointer<CChar>?, _ payload: UnsafeMutableRawPointer?
) -> Int32 {
    Conversation.of(payload)?.update(name.map { String(cString: $0) } ?? "", status.map { String(cString: $0) }) ?? -1
}

private func noteTransfer(_ progress: UnsafePointer<git_indexer_progress>?, _ payload: UnsafeMutableRawPointer?)
    -> Int32
{
    Conversation.of(payload)?.moved() ?? -1
}

private func notePush(_ done: UInt32, _ total: UInt32, _ bytes: Int, _ payload: UnsafeMutableRawPointer?) -> Int32 {
    Conversation.of(payload)?.moved() ?? -1
}

extension Fault {
    /// `mailbox.unreachable`: a hub that does not answer, or an exchange that broke off; it is tried again.
    static func mailboxUnreachable(_ url: String, _ reason: String) -> Fault {
        Fault(
            .failed, "mailbox.unreachable", "the hub cannot be reached: \(reason)", at: Place(file: url),
            mend: "Check the network and the address; nothing is lost.", cause: .unreachable)
    }
}
