//! The kind of server that is asked, and advice in the words of each kind.

/// The kinds of servers that the module exists for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Front {
    #[default]
    Httpd,
    Nginx,
}

impl Front {
    /// The server that calls itself so in its answers. `None`: another one.
    pub(crate) fn named(server: &str) -> Option<Front> {
        let is = |name: &str| server.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        match () {
            () if is("nginx") => Some(Front::Nginx),
            () if is("Apache") => Some(Front::Httpd),
            () => None,
        }
    }
}

/// What to do. Empty: nothing.
#[derive(Clone, Copy)]
pub(crate) struct Advice {
    httpd: &'static str,
    nginx: &'static str,
}

impl Advice {
    pub(crate) const NONE: Advice = Advice::same("");

    /// The same for every server.
    pub(crate) const fn same(text: &'static str) -> Advice {
        Advice { httpd: text, nginx: text }
    }

    pub(crate) const fn each(httpd: &'static str, nginx: &'static str) -> Advice {
        Advice { httpd, nginx }
    }

    pub(crate) fn to(self, front: Front) -> &'static str {
        match front {
            Front::Httpd => self.httpd,
            Front::Nginx => self.nginx,
        }
    }
}

impl From<&'static str> for Advice {
    fn from(text: &'static str) -> Advice {
        Advice::same(text)
    }
}
