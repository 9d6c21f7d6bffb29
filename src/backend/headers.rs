//! Request headers that tell a back end of an identity.

/// Prefixes and whole names, in lower case, with `-` for `_`: some servers take one for the other.
const PREFIXES: [&[u8]; 9] = [
    // Elasticsearch: run-as, and the credentials for what a request starts in the background.
    b"es-security-",
    b"es-secondary-",
    // OpenSearch's proxy authentication, and what its security plug-in carries between nodes.
    b"x-proxy-",
    b"x-opensearch-",
    b"opendistro-security-",
    b"-opendistro-security-",
    b"opensearch-security-",
    b"-opensearch-security-",
    b"-xpack-security",
];
const NAMES: [&[u8]; 11] = [
    b"proxy-authorization",
    b"es-client-authentication",
    // Those of other proxies that authenticate.
    b"x-forwarded-user",
    b"x-forwarded-group",
    b"x-forwarded-groups",
    b"x-forwarded-roles",
    b"x-forwarded-email",
    b"x-forwarded-preferred-username",
    b"x-forwarded-access-token",
    b"remote-user",
    b"x-remote-user",
];

/// Whether a header tells of an identity, other than `Authorization`.
pub(super) fn tells_identity(name: &[u8]) -> bool {
    // Most begin otherwise.
    if !matches!(name.first(), Some(b'-' | b'_' | b'E' | b'O' | b'P' | b'R' | b'X' | b'e' | b'o' | b'p' | b'r' | b'x'))
    {
        return false;
    }
    let same = |known: &[u8]| {
        known
            .iter()
            .zip(name)
            .all(|(&known, &byte)| known == if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() })
    };
    PREFIXES.iter().any(|prefix| name.len() >= prefix.len() && same(prefix))
        || NAMES.iter().any(|known| name.len() == known.len() && same(known))
}

#[cfg(test)]
mod tests {
    use super::{NAMES, PREFIXES, tells_identity};

    #[test]
    fn each_pattern_is_found() {
        for name in PREFIXES.iter().chain(&NAMES) {
            assert!(tells_identity(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn a_header_is_known_in_any_case_and_with_underscores() {
        for name in [
            "es-security-runas-user",
            "ES_Security_RunAs-User",
            "X-Proxy-Ext-Team",
            "Remote_User",
            "_opendistro_security_user",
        ] {
            assert!(tells_identity(name.as_bytes()), "{name}");
        }
        for name in ["es-security", "X-Forwarded-For", "X-Opaque-Id", "Remote-User-Agent", "Host", ""] {
            assert!(!tells_identity(name.as_bytes()), "{name}");
        }
    }
}
