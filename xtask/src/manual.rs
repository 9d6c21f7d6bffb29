//! Manual pages made of the documentation's Markdown, so that a browser and `man` show the same text.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A page of the documentation as a manual page.
pub(crate) struct Page {
    /// The page's name, as in `man NAME`.
    pub(crate) name: &'static str,
    pub(crate) section: u8,
    purpose: &'static str,
    /// Lines for the synopsis.
    synopsis: &'static [&'static str],
    /// The name of a section around all headings of the source; without it, they are sections themselves.
    chapter: Option<&'static str>,
    source: &'static str,
    see_also: &'static str,
}

/// All pages but those of `esauth`, which clap makes.
pub(crate) const PAGES: [Page; 2] = [
    Page {
        name: "mod_rust_esauth",
        section: 8,
        purpose: "Apache httpd module for HTTP Basic authentication and groups from files",
        synopsis: &["LoadModule rust_esauth_module modules/mod_rust_esauth.so"],
        chapter: Some("DIRECTIVES"),
        source: include_str!("../../docs/directives.md"),
        see_also: "esauth(1), esauth-files(5), htpasswd(1), httpd(8), apache2(8)",
    },
    Page {
        name: "esauth-files",
        section: 5,
        purpose: "password, group, credentials and roles files of mod_rust_esauth",
        synopsis: &[],
        chapter: None,
        source: include_str!("../../docs/files.md"),
        see_also: "esauth-check(1), esauth-passwd(1), htpasswd(1), crypt(5), mod_rust_esauth(8)",
    },
];

impl Page {
    /// The page in the language of `man`, roff.
    pub(crate) fn roff(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let Page { name, section, purpose, synopsis, chapter, source, see_also } = self;
        let mut text = format!(".TH {name} {section} \"\" \"rust_esauth {version}\"\n");
        text += &format!(".SH NAME\n{} \\- {}\n", escape(name), escape(purpose));
        if !synopsis.is_empty() {
            let lines: Vec<String> = synopsis.iter().map(|line| escape(line)).collect();
            text += &format!(".SH SYNOPSIS\n.nf\n{}\n.fi\n", lines.join("\n"));
        }
        text += ".SH DESCRIPTION\n";
        let mut writer = Writer { text, chapter: *chapter, ..Writer::default() };
        for event in Parser::new_ext(source, Options::ENABLE_TABLES) {
            writer.take(event);
        }
        format!("{}.SH SEE ALSO\n{}\n", writer.text, escape(see_also))
    }
}

#[derive(Default)]
struct Writer {
    text: String,
    chapter: Option<&'static str>,
    /// Text of the block that is being read.
    block: String,
    /// Cells of the row that is being read.
    cells: Vec<String>,
    /// Where the link leads that is being read.
    link: String,
    /// True at the start of an item of a list, whose first paragraph stands beside the bullet.
    begins_item: bool,
    lists: usize,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.block += &escape(&text),
            Event::Code(text) => self.block += &format!("\\fB{}\\fR", escape(&text)),
            Event::SoftBreak | Event::HardBreak => self.block.push('\n'),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level: HeadingLevel::H2, .. } => {
                if let Some(chapter) = self.chapter.take() {
                    self.line(&format!(".SH {chapter}"));
                }
            }
            Tag::Paragraph if !self.begins_item && !self.follows_heading() => self.line(".PP"),
            Tag::List(_) => {
                self.flush();
                self.lists += 1;
                if self.lists > 1 {
                    self.line(".RS 2");
                }
            }
            Tag::Item => {
                self.line(".IP \\(bu 2");
                self.begins_item = true;
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.line(".sp\n.RS 4\n.nf");
            }
            Tag::Table(_) => self.line(".PD 0"),
            Tag::Strong => self.block += "\\fB",
            Tag::Emphasis => self.block += "\\fI",
            Tag::Link { dest_url, .. } => self.link = dest_url.to_string(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            // The page's title, which NAME has.
            TagEnd::Heading(HeadingLevel::H1) => self.block.clear(),
            TagEnd::Heading(level) => {
                let title = std::mem::take(&mut self.block).replace('"', "\\(dq");
                let is_section = level == HeadingLevel::H2 && !self.is_in_chapter();
                let (command, title) = if is_section { (".SH", title.to_uppercase()) } else { (".SS", title) };
                self.line(&format!("{command} \"{title}\""));
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::Item => {
                self.flush();
                self.begins_item = false;
            }
            TagEnd::List(_) => {
                if self.lists > 1 {
                    self.line(".RE");
                }
                self.lists -= 1;
            }
            TagEnd::CodeBlock => {
                self.flush();
                self.line(".fi\n.RE");
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.block)),
            // Only tables of names and values are in these pages, and their heads are empty.
            TagEnd::TableHead => self.cells.clear(),
            TagEnd::TableRow => {
                let cells = std::mem::take(&mut self.cells);
                if let Some((name, values)) = cells.split_first() {
                    self.line(&format!(".TP 10\n\\fI{name}\\fR"));
                    self.prose(&values.join("; "));
                }
            }
            TagEnd::Table => self.line(".PD"),
            TagEnd::Strong | TagEnd::Emphasis => self.block += "\\fR",
            TagEnd::Link => {
                let link = std::mem::take(&mut self.link);
                self.block += &place(&link);
            }
            _ => {}
        }
    }

    /// True if the sections of the source are below one of the manual page.
    fn is_in_chapter(&self) -> bool {
        self.text.contains("\n.SH DIRECTIVES\n")
    }

    fn follows_heading(&self) -> bool {
        self.text.lines().last().is_some_and(|line| line.starts_with(".SH") || line.starts_with(".SS"))
    }

    fn flush(&mut self) {
        let block = std::mem::take(&mut self.block);
        if !block.is_empty() {
            self.begins_item = false;
            self.prose(block.trim_end_matches('\n'));
        }
    }

    /// Adds lines of text, none of which roff takes for a command.
    fn prose(&mut self, text: &str) {
        for line in text.split('\n') {
            self.line(&if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() });
        }
    }

    /// Adds lines.
    fn line(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }
}

/// What a reader without a browser needs of a link.
fn place(link: &str) -> String {
    match link.split_once('#').unwrap_or((link, "")) {
        _ if link.contains("://") => format!(" <{}>", escape(link)),
        // On the same page.
        ("", _) => String::new(),
        (file, _) => format!(" ({})", escape(file)),
    }
}

/// Text that roff prints as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => escaped += "\\e",
            '-' => escaped += "\\-",
            '\'' => escaped += "\\(aq",
            '`' => escaped += "\\(ga",
            '^' => escaped += "\\(ha",
            '~' => escaped += "\\(ti",
            '\n' | ' '..='~' => escaped.push(letter),
            other => escaped += &format!("\\[u{:04X}]", u32::from(other)),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::{fs, io};

    use super::*;

    /// The directives in the module's table, from the sources.
    fn directives(folder: &Path, found: &mut BTreeSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                directives(&path, found)?;
            } else {
                let text = fs::read_to_string(&path)?;
                let words = text.split("c\"").skip(1).filter_map(|rest| rest.split('"').next());
                let is_directive = |word: &&str| word.starts_with("EsAuth") || word.starts_with("Auth");
                found.extend(words.filter(is_directive).filter(|word| *word != "Authorization").map(str::to_owned));
            }
        }
        Ok(())
    }

    #[test]
    fn the_page_of_the_module_has_every_directive() {
        let mut found = BTreeSet::new();
        let read = directives(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"), &mut found);
        assert!(read.is_ok() && found.len() >= 19, "{read:?}, {found:?}");
        let page = PAGES[0].roff();
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with(".SS ")).collect();
        for directive in found {
            let has =
                |heading: &&&str| heading.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == directive);
            assert!(headings.iter().any(|heading| has(&heading)), "mod_rust_esauth(8) lacks {directive}");
        }
    }

    #[test]
    fn text_is_shown_as_it_is_written() {
        let page = Page {
            chapter: None,
            source: "# Title\n\nIt's `-x` … [here](a.md#b), [there](#c).\n\n## Name\n\n| | |\n|---|---|\n| A | b\\|c |\n\n* one\n* two\n\n```\n.x\n  \\y\n```\n",
            ..PAGES[1]
        };
        let text = page.roff();
        let (_, body) = text.split_once(".SH DESCRIPTION\n").unwrap_or_default();
        let (body, _) = body.split_once(".SH SEE ALSO").unwrap_or_default();
        assert_eq!(
            body,
            "It\\(aqs \\fB\\-x\\fR \\[u2026] here (a.md), there.\n.SH \"NAME\"\n.PD 0\n.TP 10\n\\fIA\\fR\nb|c\n.PD\n\
             .IP \\(bu 2\none\n.IP \\(bu 2\ntwo\n.sp\n.RS 4\n.nf\n\\&.x\n  \\ey\n.fi\n.RE\n"
        );
    }
}
