//! Configurations that httpd must refuse with the same words, or accept.

use super::case::{basic, case};
use crate::harness::installation::Installation;

/// A configuration and the result of `httpd -t`.
pub(crate) struct StartUp {
    pub(crate) name: &'static str,
    pub(crate) conf: String,
    /// None: it is accepted. Otherwise the text of the refusal, or a part of it.
    refusal: Option<&'static str>,
    /// 2.2's result, if it differs.
    refusal_22: Option<Option<&'static str>>,
}

impl StartUp {
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.refusal_22.filter(|_| Installation::get().is_22()).unwrap_or(self.refusal)
    }

    fn in_22(mut self, refusal: Option<&'static str>) -> Self {
        self.refusal_22 = Some(refusal);
        self
    }

    fn is_missing(&self) -> Option<&'static str> {
        if self.name == "alias-over-nothing" && Installation::get().is_22() {
            return Some("its mod_authn_alias crashes");
        }
        case(self.name, &self.conf).is_missing()
    }
}

/// The cases for this httpd, and the number of others.
pub(crate) fn cases() -> (Vec<StartUp>, usize) {
    let all = all();
    let count = all.len();
    let there: Vec<_> = all
        .into_iter()
        .filter(|start_up| {
            let missing = start_up.is_missing();
            if let Some(why) = missing {
                Installation::get().skip(start_up.name, why);
            }
            missing.is_none()
        })
        .collect();
    let skipped = count - there.len();
    (there, skipped)
}

fn all() -> Vec<StartUp> {
    let section = |name, more: &str, refusal| StartUp { name, conf: basic("/", more), refusal, refusal_22: None };
    let bare = |name, conf: &str, refusal| StartUp { name, conf: conf.to_owned(), refusal, refusal_22: None };
    vec![
        section(
            "everything-right",
            "AuthBasicProvider file\nAuthBasicAuthoritative On\nRequire group staff\nRequire file-group",
            None,
        ),
        section("provider-unknown", "AuthBasicProvider nosuch", Some("Unknown Authn provider: nosuch")),
        section("provider-unknown-second", "AuthBasicProvider file nosuch", Some("Unknown Authn provider: nosuch")),
        section("provider-in-upper-case", "AuthBasicProvider FILE", Some("Unknown Authn provider: FILE")),
        section("provider-empty", "AuthBasicProvider \"\"", Some("AuthBasicProvider")).in_22(None),
        section("provider-without-name", "AuthBasicProvider", Some("AuthBasicProvider requires at least one argument"))
            .in_22(None),
        section("provider-is-for-authorization", "AuthBasicProvider group", Some("Unknown Authn provider: group")),
        section("digest-provider-unknown", "AuthDigestProvider nosuch", Some("Unknown Authn provider: nosuch")),
        section(
            "digest-provider-without-hashes",
            "AuthDigestProvider anon",
            Some("doesn't support Digest Authentication"),
        ),
        section(
            "authoritative-neither",
            "AuthBasicAuthoritative maybe",
            Some("AuthBasicAuthoritative must be On or Off"),
        ),
        section("authoritative-without-argument", "AuthBasicAuthoritative", Some("AuthBasicAuthoritative")),
        section("authoritative-lower-case", "AuthBasicAuthoritative off", None),
        section("user-file-without-argument", "AuthUserFile", Some("AuthUserFile takes one argument"))
            .in_22(Some("AuthUserFile takes 1-2 arguments")),
        section("user-file-with-two", "AuthUserFile /a /b", Some("AuthUserFile takes one argument"))
            .in_22(Some("Invalid auth file type: /b")),
        section("user-file-standard", "AuthUserFile /a standard", Some("AuthUserFile takes one argument")).in_22(None),
        section("group-file-standard", "AuthGroupFile /a standard", Some("AuthGroupFile takes one argument"))
            .in_22(None),
        section("group-file-other-type", "AuthGroupFile /a db", Some("AuthGroupFile takes one argument"))
            .in_22(Some("Invalid auth file type: db")),
        section(
            "groups-authoritative",
            "AuthzGroupFileAuthoritative Off",
            Some("Invalid command 'AuthzGroupFileAuthoritative'"),
        )
        .in_22(None),
        section(
            "groups-authoritative-neither",
            "AuthzGroupFileAuthoritative maybe",
            Some("Invalid command 'AuthzGroupFileAuthoritative'"),
        )
        .in_22(Some("AuthzGroupFileAuthoritative must be On or Off")),
        section("user-file-empty", "AuthUserFile \"\"", Some("AuthUserFile")),
        section("user-file-missing", "AuthUserFile /nothing/here", None),
        section("user-file-relative", "AuthUserFile conf/htpasswd", None),
        section("user-file-climbs-out", "AuthUserFile ../../../../../../../../../etc/x", None),
        section("user-file-in-lower-case", "authuserfile /a\nAUTHGROUPFILE /b", None),
        section("group-file-without-argument", "AuthGroupFile", Some("AuthGroupFile takes one argument"))
            .in_22(Some("AuthGroupFile takes 1-2 arguments")),
        section("group-file-with-two", "AuthGroupFile /a /b", Some("AuthGroupFile takes one argument"))
            .in_22(Some("Invalid auth file type: /b")),
        section("fake-without-argument", "AuthBasicFake", Some("AuthBasicFake takes 1-2 arguments")),
        section("fake-with-three", "AuthBasicFake a b c", Some("AuthBasicFake takes 1-2 arguments")),
        section(
            "fake-user-no-expression",
            "AuthBasicFake %{nosuch:x",
            Some("Could not parse fake username expression"),
        ),
        section(
            "fake-password-no-expression",
            "AuthBasicFake a %{nosuch:x",
            Some("Could not parse fake password expression"),
        ),
        section(
            "digest-algorithm-unknown",
            "AuthBasicUseDigestAlgorithm SHA",
            Some("Invalid algorithm in AuthBasicUseDigestAlgorithm: SHA"),
        ),
        section(
            "digest-algorithm-missing",
            "AuthBasicUseDigestAlgorithm",
            Some("AuthBasicUseDigestAlgorithm takes one argument"),
        ),
        section("digest-algorithm-off", "AuthBasicUseDigestAlgorithm off", None),
        section(
            "require-group-no-expression",
            "Require group %{nosuch:x",
            Some("Cannot parse expression in require line"),
        ),
        section(
            "require-group-unknown-function",
            "Require group %{nosuch:x}",
            Some("Cannot parse expression in require line"),
        ),
        section("require-group-alone", "Require group", None),
        section("require-file-group-with-arguments", "Require file-group a b", None),
        section("require-in-upper-case", "Require GROUP staff", Some("Unknown Authz provider: GROUP")).in_22(None),
        section("require-unknown", "Require nosuch", Some("Unknown Authz provider: nosuch")).in_22(None),
        section("require-only-negative", "Require not group staff", Some("negative")),
        section("require-negative-in-all", "<RequireAll>\nRequire not group staff\n</RequireAll>", Some("negative")),
        section(
            "realm-with-a-trailing-comment",
            "AuthName \"Elasticsearch Server\" # or OpenSearch Server",
            Some("AuthName takes one argument"),
        ),
        bare("user-file-outside-a-section", "AuthUserFile /a", Some("AuthUserFile not allowed here")),
        bare("group-file-outside-a-section", "AuthGroupFile /a", Some("AuthGroupFile not allowed here")),
        bare("provider-outside-a-section", "AuthBasicProvider file", Some("AuthBasicProvider not allowed here")),
        bare(
            "authoritative-outside-a-section",
            "AuthBasicAuthoritative Off",
            Some("AuthBasicAuthoritative not allowed here"),
        ),
        bare(
            "alias-over-file",
            "<AuthnProviderAlias file esauth-a>\nAuthUserFile /a\n</AuthnProviderAlias>\n\
<Location />\nAuthBasicProvider esauth-a\n</Location>",
            None,
        ),
        bare(
            "alias-over-nothing",
            "<AuthnProviderAlias nosuch esauth-b>\nAuthUserFile /a\n</AuthnProviderAlias>",
            Some("Unknown Authn provider: nosuch"),
        ),
        bare(
            "alias-named-file",
            "<AuthnProviderAlias file file>\nAuthUserFile /a\n</AuthnProviderAlias>",
            Some("file"),
        ),
        bare(
            "alias-over-group",
            "<AuthzProviderAlias group esauth-c staff>\nAuthGroupFile /a\n\
</AuthzProviderAlias>\n<Location />\nRequire esauth-c\n</Location>",
            None,
        ),
    ]
}
