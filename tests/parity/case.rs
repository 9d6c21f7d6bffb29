//! The parts of a row of the table.

use crate::harness::client::Request;
use crate::harness::installation::{Generation, Installation};

/// `secret` and `other`, as `htpasswd -s` stores them.
pub(crate) const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
pub(crate) const OTHER: &str = "{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=";

/// Files, a configuration, and the requests for a server that has them.
pub(crate) struct Case {
    /// Unique: the name of the virtual host and the folder, and the tag of the log lines.
    pub(crate) name: String,
    /// The content of the case's virtual host. `@DIR@` stands for the case's folder, whose `htdocs` is the
    /// DocumentRoot; `@BACKEND@` for the port of the echoing back end, `@PORT@` for that of the case, `@GROUP@` for the
    /// name of the group that owns the files.
    pub(crate) conf: String,
    /// For the main server's configuration, with the same placeholders.
    pub(crate) global: String,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Paths that become folders, FIFOs, unreadable; done after the files are written.
    pub(crate) oddities: Vec<(String, Oddity)>,
    pub(crate) asks: Vec<Ask>,
    /// Uses its own port rather than a name on the common one: a forward proxy gets other hosts' names.
    pub(crate) own_port: bool,
    /// For this generation only.
    only: Option<Generation>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    Folder,
    Fifo,
    Unreadable,
    /// A DBM of alice/dbmsecret and dana/dbmsecret, made by htdbm.
    Dbm,
    /// A link to nowhere.
    DanglingLink,
    /// A link to the file `target`.
    Link,
}

pub(crate) struct Ask {
    pub(crate) request: Request,
    answers: Answers,
    /// 2.2's answers, if they differ.
    in_22: Option<Answers>,
}

impl Ask {
    pub(crate) fn answers(&self) -> &Answers {
        self.in_22.as_ref().filter(|_| Installation::get().is_22()).unwrap_or(&self.answers)
    }
}

pub(crate) struct Answers {
    /// The stock modules' answers, and ours unless a difference is intended.
    pub(crate) expected: Expected,
    pub(crate) ours: Option<Difference>,
}

impl Answers {
    fn new(status: u16, logged: &[&'static str]) -> Self {
        let expected = Expected { status, logged: logged.to_vec(), body: None };
        Answers { expected, ours: None }
    }
}

/// Known facts, so that a setup in which nothing works is noticed.
#[derive(Clone, Default)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// Numbers that occur in the request's log lines.
    pub(crate) logged: Vec<&'static str>,
    /// A part of the body.
    pub(crate) body: Option<&'static str>,
}

pub(crate) struct Difference {
    pub(crate) why: &'static str,
    pub(crate) expected: Expected,
    /// The stock modules are not asked: they would hang, or give random answers.
    pub(crate) only_ours: bool,
}

/// Why ours answers 500 where the stock modules of 2.4 deny.
pub(crate) const UNKNOWN_GROUPS: &str =
    "behind `Require not`, a denial admits users; so unknown membership is an error";

/// Features that 2.2 lacks, and how to recognize them in a configuration.
const MISSING_IN_22: &[(&str, &[&str])] = &[
    (
        "it has no mod_authz_core",
        &[
            "<RequireA",
            "<RequireN",
            "Require not ",
            "Require all ",
            "Require local",
            "Require ip ",
            "Require env ",
            "Require expr ",
            "Require method ",
            "AuthMerging",
            "AuthzSendForbiddenOnFailure",
            "<AuthzProviderAlias",
        ],
    ),
    ("it has no AuthType None", &["AuthType None"]),
    ("it has no AuthBasicFake", &["AuthBasicFake"]),
    ("it has no AuthBasicUseDigestAlgorithm", &["AuthBasicUseDigestAlgorithm"]),
    ("it has no mod_authn_socache", &["AuthBasicProvider socache"]),
    ("it has no AllowOverrideList", &["AllowOverrideList"]),
    ("it has no <If>", &["<If "]),
    (
        "it has no expressions in this place",
        &["AuthType %{", "realm of %{", "Require group %{", "st%{", "staff %{", "expr="],
    ),
    ("the tests do not need its mod_authnz_ldap", &["AuthLDAPURL"]),
];

/// A case without files or requests.
pub(crate) fn case(name: impl Into<String>, conf: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        conf: conf.into(),
        global: String::new(),
        files: Vec::new(),
        oddities: Vec::new(),
        asks: Vec::new(),
        own_port: false,
        only: None,
    }
}

/// A case that protects everything with `users` and requires `require`; alice/secret is in the file.
pub(crate) fn guarded(name: impl Into<String>, require: &str) -> Case {
    case(name, basic("/", require)).file("users", users()).file("groups", "staff: alice bob\nadmins: bob\n")
}

/// alice and bob, whose password is `secret`, and carol, whose is `other`.
pub(crate) fn users() -> String {
    format!("alice:{SECRET}\nbob:{SECRET}\ncarol:{OTHER}\n")
}

/// A `<Location>` with everything that Basic authentication from files needs, and further lines.
pub(crate) fn basic(location: &str, more: &str) -> String {
    format!("<Location \"{location}\">\n{BASIC}\n{more}\n</Location>\n")
}

pub(crate) const BASIC: &str = r#"
AuthType Basic
AuthName "Elasticsearch server"
AuthUserFile "@DIR@/users"
AuthGroupFile "@DIR@/groups"
"#;

impl Case {
    pub(crate) fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.retain(|(there, _)| there != name);
        self.files.push((name.to_owned(), content.as_ref().to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.files.retain(|(there, _)| there != name);
        self
    }

    pub(crate) fn odd(mut self, name: &str, oddity: Oddity) -> Self {
        if oddity != Oddity::Unreadable {
            self = self.without(name);
        }
        self.oddities.push((name.to_owned(), oddity));
        self
    }

    pub(crate) fn global(mut self, text: &str) -> Self {
        self.global.push_str(text);
        self
    }

    pub(crate) fn own_port(mut self) -> Self {
        self.own_port = true;
        self
    }

    pub(crate) fn ask(mut self, request: Request, status: u16) -> Self {
        self.asks.push(Ask { request, answers: Answers::new(status, &[]), in_22: None });
        self
    }

    /// A request as `user` for a small file.
    pub(crate) fn user(self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>, status: u16) -> Self {
        self.ask(file().basic(user, password), status)
    }

    pub(crate) fn alice(self, status: u16) -> Self {
        self.user("alice", "secret", status)
    }

    pub(crate) fn anonymous(self, status: u16) -> Self {
        self.ask(file(), status)
    }

    fn last(&mut self) -> &mut Answers {
        let ask = self.asks.last_mut().expect("the case asks something");
        ask.in_22.as_mut().unwrap_or(&mut ask.answers)
    }

    /// Numbers that the last request must have logged.
    pub(crate) fn logs(mut self, numbers: &[&'static str]) -> Self {
        self.last().expected.logged = numbers.to_vec();
        self
    }

    /// A text that the answer to the last request must contain.
    pub(crate) fn says(mut self, text: &'static str) -> Self {
        self.last().expected.body = Some(text);
        self
    }

    /// 2.2's answer to the last request, if it differs; numbers and texts in its log. Further expectations of this
    /// request are for 2.2.
    pub(crate) fn in_22(mut self, status: u16, logged: &[&'static str]) -> Self {
        self.asks.last_mut().expect("the case asks something").in_22 = Some(Answers::new(status, logged));
        self
    }

    /// Our answer to the last request, which differs on purpose.
    pub(crate) fn but_ours(mut self, why: &'static str, status: u16, numbers: &[&'static str]) -> Self {
        let expected = Expected { status, logged: numbers.to_vec(), body: None };
        self.last().ours = Some(Difference { why, expected, only_ours: false });
        self
    }

    /// Why this httpd cannot run the case.
    pub(crate) fn is_missing(&self) -> Option<&'static str> {
        let generation = Installation::get().generation;
        match self.only {
            Some(Generation::V22) if generation == Generation::V24 => return Some("only 2.2 has it"),
            Some(Generation::V24) if generation == Generation::V22 => return Some("it is written for 2.4"),
            _ if generation == Generation::V24 => return None,
            _ => {}
        }
        let texts = [&self.conf, &self.global].into_iter().map(String::as_bytes);
        let files = self.files.iter().filter(|(name, _)| name.ends_with(".htaccess")).map(|(_, text)| text.as_slice());
        let text: Vec<String> = texts.chain(files).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        MISSING_IN_22
            .iter()
            .find(|(_, marks)| marks.iter().any(|mark| text.iter().any(|text| text.contains(mark))))
            .map(|(why, _)| *why)
    }

    pub(crate) fn only_22(mut self) -> Self {
        self.only = Some(Generation::V22);
        self
    }

    pub(crate) fn only_24(mut self) -> Self {
        self.only = Some(Generation::V24);
        self
    }

    /// The stock modules are not sent the last request.
    pub(crate) fn only_ours(mut self, why: &'static str) -> Self {
        let expected = self.last().expected.clone();
        self.last().ours = Some(Difference { why, expected, only_ours: true });
        self
    }
}

/// A request for a file that every case has.
pub(crate) fn file() -> Request {
    Request::get("/file.txt")
}
