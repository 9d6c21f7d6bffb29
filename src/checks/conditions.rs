//! `<IfModule mod_auth_basic.c>` and the like: without that module, httpd skips the content, and its tree of directives
//! does not show it. So the files are read.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::check::Check;
use super::findings::Findings;
use super::sections::{MAIN, SectionKind, Sections};
use super::tree::Directive;
use crate::httpd::bindings::server_rec;
use crate::httpd::loaded;
use crate::httpd::loaded::is_defined;
use crate::httpd::pool::Pool;
use crate::httpd::server::arguments;

/// The modules that this one replaces, by file and by symbol.
const STOCK: [(&str, &str); 3] = [
    ("mod_auth_basic.c", "auth_basic_module"),
    ("mod_authn_file.c", "authn_file_module"),
    ("mod_authz_groupfile.c", "authz_groupfile_module"),
];

/// Maximum number of files, and of folders that may hold a .htaccess file, that are read.
const MOST_FILES: usize = 2000;
/// Maximum size of a configuration file.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

pub(super) fn check(findings: &mut Findings<'_, '_>, main: &server_rec, pool: Pool<'_>) {
    let missing: Vec<&str> = STOCK
        .into_iter()
        .filter(|(file, _)| CString::new(*file).is_ok_and(|file| !loaded::is_linked(&file)))
        .flat_map(|(file, symbol)| [file, symbol])
        .collect();
    if missing.is_empty() || findings.sections.is_silenced(MAIN, Check::StockModuleCondition) {
        return;
    }
    let mut scan = Scan { missing, pool, seen: HashSet::new(), found: Vec::new() };
    let mut files: Vec<PathBuf> = files_of_the_tree(findings.sections);
    files.extend(named_by_arguments(main));
    for file in files {
        scan.file(&file);
    }
    for file in htaccess_files(findings.sections) {
        scan.file(&file);
    }
    for (place, text) in scan.found {
        let what = format!("{text} is skipped, because that module is not loaded: sections in it may be open");
        let advice = "remove the condition, or name rust_esauth_module";
        findings.add_at(Check::StockModuleCondition, place, &what, advice);
    }
}

/// The file behind `-f`, which may hold only Include directives.
fn named_by_arguments(main: &server_rec) -> Option<PathBuf> {
    let arguments: Vec<&[u8]> = arguments(main).map(CStr::to_bytes).collect();
    let index = arguments.iter().position(|argument| *argument == b"-f")?;
    arguments.get(index + 1).map(|path| PathBuf::from(OsStr::from_bytes(path)))
}

/// The files that the tree's directives come from.
fn files_of_the_tree(sections: &Sections<'_>) -> Vec<PathBuf> {
    let directives = sections.all().flat_map(|section| {
        let placed = section.directives.iter().map(|placed| placed.directive);
        section.opening.into_iter().chain(placed)
    });
    let mut files: Vec<_> = directives.map(Directive::file).collect();
    files.sort();
    files.dedup();
    files.into_iter().map(|file| PathBuf::from(OsStr::from_bytes(file))).filter(|path| path.is_absolute()).collect()
}

/// The .htaccess files of folders that clients are served from, where they are in effect.
fn htaccess_files(sections: &Sections<'_>) -> Vec<PathBuf> {
    let allows = |directive: Directive<'_>| !directive.word(0).is_some_and(|word| word.eq_ignore_ascii_case(b"none"));
    let allowed = sections.named("AllowOverride").chain(sections.named("AllowOverrideList"));
    let mut folders: Vec<PathBuf> = Vec::new();
    for (number, directive) in allowed {
        let section = sections.get(number);
        if !allows(directive) || section.kind != SectionKind::Directory {
            continue;
        }
        let folder = Path::new(OsStr::from_bytes(section.argument));
        if section.is_pattern || folder == Path::new("/") {
            let roots = sections.named("DocumentRoot").filter_map(|(_, root)| root.word(0));
            folders.extend(roots.map(|root| PathBuf::from(OsStr::from_bytes(root))));
        } else {
            folders.push(folder.to_owned());
        }
    }
    let mut files = Vec::new();
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        looked_at += 1;
        if looked_at > MOST_FILES {
            break;
        }
        let file = folder.join(".htaccess");
        if file.is_file() {
            files.push(file);
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        folders.extend(entries.filter(is_folder).map(|entry| entry.path()));
    }
    files
}

struct Scan<'p> {
    missing: Vec<&'static str>,
    pool: Pool<'p>,
    seen: HashSet<PathBuf>,
    /// The place and text of each condition found.
    found: Vec<(String, String)>,
}

/// A condition around a line of a file.
enum Condition {
    /// True, or unknown here.
    Open,
    /// It names a stock module that is not loaded: its place, its text, and whether anything inside restricts access.
    Missing(String, String, bool),
    /// False for another reason.
    Closed,
}

impl Scan<'_> {
    fn file(&mut self, path: &Path) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.seen.len() >= MOST_FILES || !self.seen.insert(real) {
            return;
        }
        let is_sound = fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= MOST_BYTES);
        let Some(text) = is_sound.then(|| fs::read(path).ok()).flatten() else { return };
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut around: Vec<Condition> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let lower = line.to_ascii_lowercase();
            if lower.starts_with("</if") {
                if let Some(Condition::Missing(place, text, true)) =
                    is_condition(&lower[2..]).then(|| around.pop()).flatten()
                {
                    self.found.push((place, text));
                }
            } else if lower.starts_with('<') && is_condition(&lower[1..]) {
                let place = format!("{}:{}", path.display(), index + 1);
                around.push(self.condition(line, place));
            } else if !around.iter().any(|condition| matches!(condition, Condition::Closed)) {
                for condition in &mut around {
                    if let Condition::Missing(_, _, restricts) = condition {
                        *restricts |= ["auth", "require", "deny"].iter().any(|word| lower.starts_with(word));
                    }
                }
                if lower.starts_with("include ") || lower.starts_with("includeoptional ") {
                    self.included(line, around.is_empty());
                }
            }
        }
    }

    /// Files included by a directive. Files that httpd has read are known from the tree, unless nothing of them is in
    /// it.
    fn included(&mut self, line: &str, holds: bool) {
        let Some(pattern) = line.split_once(char::is_whitespace).map(|(_, rest)| rest.trim().trim_matches('"')) else {
            return;
        };
        let Some(pattern) = CString::new(pattern).ok().filter(|_| holds && !pattern.contains("${")) else { return };
        let Some(absolute) = self.pool.server_root_relative(&pattern) else { return };
        for file in matching(Path::new(OsStr::from_bytes(absolute.to_bytes()))) {
            self.file(&file);
        }
    }

    fn condition(&self, line: &str, place: String) -> Condition {
        let text = line.trim_start_matches('<').trim_end_matches('>');
        let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let argument = argument.trim().trim_matches('"');
        if name.eq_ignore_ascii_case("IfModule") {
            match argument.strip_prefix('!') {
                None if self.missing.contains(&argument) => Condition::Missing(place, line.to_owned(), false),
                None if CString::new(argument).is_ok_and(|it| argument.ends_with(".c") && !loaded::is_linked(&it)) => {
                    Condition::Closed
                }
                Some(other) if CString::new(other).is_ok_and(|it| loaded::is_linked(&it)) => Condition::Closed,
                _ => Condition::Open,
            }
        } else if name.eq_ignore_ascii_case("IfDefine") {
            let (wanted, argument) = match argument.strip_prefix('!') {
                Some(rest) => (false, rest),
                None => (true, argument),
            };
            let is_defined = CString::new(argument).is_ok_and(|name| is_defined(&name));
            if is_defined == wanted { Condition::Open } else { Condition::Closed }
        } else {
            Condition::Open
        }
    }
}

/// Whether a section, by its name in lower case, is one that httpd reads or skips as a whole.
fn is_condition(name: &str) -> bool {
    let name = name.split(|byte: char| byte.is_whitespace() || byte == '>').next().unwrap_or("");
    ["ifmodule", "ifdefine", "ifversion", "iffile", "ifdirective", "ifsection"].contains(&name)
}

/// The files matched by a path with `*` and `?` in its last part; for a folder, all of its files.
fn matching(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let (folder, pattern) = match (path.is_dir(), path.parent(), path.file_name()) {
        (true, ..) => (path, &b"*"[..]),
        (false, Some(folder), Some(name)) => (folder, name.as_bytes()),
        _ => return Vec::new(),
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.filter(|entry| is_like(pattern, entry.file_name().as_bytes())).map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Whether a name matches a pattern with `*` and `?`.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skipped| is_like(rest, &name[skipped..])),
        (Some((b'?', rest)), Some((_, others))) => is_like(rest, others),
        (Some((one, rest)), Some((other, others))) => one == other && is_like(rest, others),
        _ => false,
    }
}
