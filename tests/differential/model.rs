//! The generated data, in a form that can be written out and shrunk.

use std::ops::Range;

/// A line of a configuration, or a section with its lines.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Line(String),
    /// `open` is without its angle brackets: `Location "/"`.
    Section {
        open: String,
        inside: Vec<Node>,
    },
}

/// One generated virtual host with its files and requests. Texts may hold placeholders: `@DIR@` for its folder,
/// `@NAME@` for its name, `@BACKEND@` and `@PORT@` for ports, `@SHARED@` for the shared folder, `@GROUP@` for the group
/// that owns the files.
#[derive(Clone)]
pub(crate) struct Configuration {
    /// Unique among those served together, and always of the same length.
    pub(crate) name: String,
    /// For the main server.
    pub(crate) global: Vec<Node>,
    pub(crate) host: Vec<Node>,
    pub(crate) files: Vec<File>,
    pub(crate) talks: Vec<Talk>,
    /// Uses its own port: a forward proxy gets other hosts' names.
    pub(crate) own_port: bool,
}

#[derive(Clone)]
pub(crate) struct File {
    pub(crate) path: &'static str,
    pub(crate) role: Role,
    /// Each with its end.
    pub(crate) lines: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Passwords,
    Groups,
    /// Served, or read by httpd itself.
    Other,
    Folder,
    /// Has content, but is unreadable.
    Locked,
}

/// Requests over one connection, one after the other.
#[derive(Clone)]
pub(crate) struct Talk {
    pub(crate) how: How,
    /// Done before the first request.
    pub(crate) edit: Option<Edit>,
    pub(crate) asks: Vec<Ask>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    KeptAlive,
    /// All requests are sent before the first answer is read.
    Pipelined,
    Http2,
}

/// New content for a file.
#[derive(Clone)]
pub(crate) struct Edit {
    pub(crate) file: File,
    /// A new file replaces the old one; otherwise the file is rewritten in place.
    pub(crate) by_rename: bool,
}

#[derive(Clone)]
pub(crate) struct Ask {
    /// The number of the configuration's request; stays when others are removed.
    pub(crate) number: usize,
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) version: &'static str,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: &'static str,
}

#[derive(Clone)]
pub(crate) enum Header {
    /// A line without its CR LF.
    Line(Vec<u8>),
    /// The answer to a Digest challenge, which needs one.
    Digest { user: &'static str, password: &'static str },
}

pub(crate) fn line(text: impl Into<String>) -> Node {
    Node::Line(text.into())
}

pub(crate) fn section(open: impl Into<String>, inside: Vec<Node>) -> Node {
    Node::Section { open: open.into(), inside }
}

/// The text of `nodes`, indented as a person would.
pub(crate) fn written(nodes: &[Node]) -> String {
    let mut text = String::new();
    write(nodes, 0, &mut text);
    text
}

fn write(nodes: &[Node], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for node in nodes {
        match node {
            Node::Line(line) => *text += &format!("{indent}{line}\n"),
            Node::Section { open, inside } => {
                *text += &format!("{indent}<{open}>\n");
                write(inside, depth + 1, text);
                let name = open.split(' ').next().unwrap_or_default();
                *text += &format!("{indent}</{name}>\n");
            }
        }
    }
}

impl Configuration {
    pub(crate) fn asks(&self) -> impl Iterator<Item = &Ask> {
        self.talks.iter().flat_map(|talk| &talk.asks)
    }

    /// Number of parts that [`Configuration::without`] can remove.
    pub(crate) fn parts(&self) -> usize {
        let mut sieve = Sieve { next: 0, drop: 0..0 };
        self.sift(&mut sieve);
        sieve.next
    }

    /// This configuration without some of its parts, which are numbered from the top. The remaining content of a
    /// removed section stays.
    pub(crate) fn without(&self, drop: Range<usize>) -> Configuration {
        self.sift(&mut Sieve { next: 0, drop })
    }

    fn sift(&self, sieve: &mut Sieve) -> Configuration {
        let global = sieve.nodes(&self.global);
        let host = sieve.nodes(&self.host);
        let mut files = Vec::new();
        for file in &self.files {
            let stays = sieve.keeps();
            let lines = file.lines.iter().filter(|_| sieve.keeps()).cloned().collect();
            if stays {
                files.push(File { lines, ..file.clone() });
            }
        }
        let mut talks = Vec::new();
        for talk in &self.talks {
            let edit = talk.edit.clone().filter(|_| sieve.keeps());
            let mut asks = Vec::new();
            for ask in &talk.asks {
                let stays = sieve.keeps();
                let headers = ask.headers.iter().filter(|_| sieve.keeps()).cloned().collect();
                if stays {
                    asks.push(Ask { headers, ..ask.clone() });
                }
            }
            if !asks.is_empty() || edit.is_some() {
                talks.push(Talk { how: talk.how, edit, asks });
            }
        }
        Configuration { global, host, files, talks, ..self.clone() }
    }
}

/// Counts the parts of a configuration, and decides which of them stay.
struct Sieve {
    next: usize,
    drop: Range<usize>,
}

impl Sieve {
    fn keeps(&mut self) -> bool {
        self.next += 1;
        !self.drop.contains(&(self.next - 1))
    }

    fn nodes(&mut self, nodes: &[Node]) -> Vec<Node> {
        let mut kept = Vec::new();
        for node in nodes {
            let stays = self.keeps();
            match node {
                Node::Line(_) if stays => kept.push(node.clone()),
                Node::Line(_) => {}
                Node::Section { open, inside } => {
                    let inside = self.nodes(inside);
                    if stays {
                        kept.push(section(open.clone(), inside));
                    } else {
                        kept.extend(inside);
                    }
                }
            }
        }
        kept
    }
}
