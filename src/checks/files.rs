//! Files of passwords, groups, roles and credentials that others can read, replace or download, or that httpd cannot read.

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::backend::names_a_file;
use super::check::Check;
use super::findings::Findings;
use super::requirements::names_group;
use super::run_user::{ENTER, Occasion, READ, RunUser, WRITE, has_access_list};
use super::sections::{Guarded, MAIN, Number, Section, SectionKind, Sections};
use super::tree::Directive;

pub(super) fn check(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>], occasion: Occasion) {
    let sections = findings.sections;
    // Paths in another root folder cannot be looked up.
    if sections.named("ChrootDir").next().is_some() {
        return;
    }
    // mpm_itk and mod_ruid2 choose a user for each virtual host.
    let per_host = ["AssignUserID", "AssignUserIDExpr", "RMode", "RUidGid"];
    let one_user = per_host.iter().all(|name| sections.named(name).next().is_none());
    let user = if one_user { RunUser::find(occasion) } else { None };
    let served = Served::by(sections);
    for file in used(sections, guarded) {
        if let Some(user) = &user {
            unreadable(findings, &file, user);
        }
        // A file that does not exist, or not for the user that tests the configuration, cannot be checked further.
        let Ok(real) = file.path.canonicalize() else { continue };
        let Some(metadata) = fs::metadata(&real).ok().filter(Metadata::is_file) else { continue };
        others_can_read(findings, &file, &real, &metadata, user.as_ref());
        others_can_write(findings, &file, &real, &metadata, user.as_ref());
        can_be_fetched(findings, &file, &real, &served);
    }
}

/// A file that protects a section.
struct Used<'t> {
    directive: Directive<'t>,
    path: PathBuf,
    holds_passwords: bool,
    /// The section it protects, and the one that names it.
    sections: [Number; 2],
}

impl Used<'_> {
    fn name(&self) -> String {
        format!("{} {}", String::from_utf8_lossy(self.directive.name()), self.path.display())
    }
}

fn used<'t>(sections: &Sections<'t>, guarded: &[Guarded<'t>]) -> Vec<Used<'t>> {
    let mut used = Vec::new();
    for guarded in guarded {
        let mut add = |name, holds_passwords| {
            let Some((named_in, directive)) = sections.setting(guarded.section, name) else { return };
            let Some(path) = directive.word(0).and_then(|path| absolute(directive, path)) else { return };
            used.push(Used { directive, path, holds_passwords, sections: [guarded.section, named_in] });
        };
        add("AuthUserFile", true);
        let has_roles = sections.setting(guarded.section, "EsAuthRoles").is_some();
        if has_roles || guarded.requirements.iter().any(|placed| names_group(placed.directive)) {
            add("AuthGroupFile", false);
        }
        add("EsAuthRoles", false);
    }
    let credentials = sections.named("EsAuthBackendCredentials").filter(|&(_, directive)| names_a_file(directive));
    for (number, directive) in credentials {
        let path = directive.word(0).and_then(|path| absolute(directive, path));
        used.extend(path.map(|path| Used { directive, path, holds_passwords: true, sections: [number; 2] }));
    }
    used
}

/// A path named by a directive, made absolute from the ServerRoot.
fn absolute(directive: Directive<'_>, path: &[u8]) -> Option<PathBuf> {
    let path = CString::new(path).ok()?;
    let whole = directive.pool().server_root_relative(&path)?;
    Some(OsStr::from_bytes(whole.to_bytes()).into())
}

fn unreadable(findings: &mut Findings<'_, '_>, file: &Used<'_>, user: &RunUser) {
    let Some((reason, advice)) = obstacle(&file.path, user) else { return };
    let what = format!("{} cannot be read, {reason}", file.name());
    findings.add(Check::Unreadable, file.directive, &file.sections, &what, &advice);
}

/// The obstacle that keeps `user` from reading the file, and the advice; None: none, or unknown.
fn obstacle(path: &Path, user: &RunUser) -> Option<(String, String)> {
    let (name, group) = (&user.name, &user.group);
    let real = path.canonicalize();
    // A link leads through the folders of both paths.
    let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.extend(real.as_deref().unwrap_or(path).ancestors().skip(1));
    folders.reverse();
    for folder in folders {
        let metadata = match fs::metadata(folder) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(_) => return None,
        };
        if !user.may(ENTER, &metadata) && !has_access_list(folder) {
            let folder = folder.display();
            let reason = format!("because httpd's user {name} may not enter {folder} (mode {})", mode(&metadata));
            return Some((reason, format!("chgrp {group} {folder} && chmod g+x {folder}")));
        }
    }
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Some(("because it does not exist".to_owned(), "create it, or correct the path".to_owned()));
        }
        Err(_) => return None,
    };
    let file = path.display();
    if !metadata.is_file() && path != Path::new("/dev/null") {
        return Some(("because it is not a regular file".to_owned(), "name a regular file".to_owned()));
    }
    if user.may(READ, &metadata) || has_access_list(path) {
        return None;
    }
    let reason = format!("because httpd's user {name} has no permission (mode {})", mode(&metadata));
    Some((reason, format!("chgrp {group} {file} && chmod 640 {file}")))
}

fn others_can_read(
    findings: &mut Findings<'_, '_>,
    file: &Used<'_>,
    real: &Path,
    metadata: &Metadata,
    user: Option<&RunUser>,
) {
    if file.holds_passwords && metadata.mode() & READ != 0 && is_reachable_by_all(real) {
        let what = format!("{} can be read by every user of this machine (mode {})", file.name(), mode(metadata));
        let path = file.path.display();
        let advice = match user {
            Some(user) if user.starts_httpd => format!("chmod 600 {path}"),
            Some(user) => format!("chgrp {} {path} && chmod 640 {path}", user.group),
            None => format!("chmod 640 {path}, and give it the group that httpd runs as"),
        };
        findings.add(Check::WorldReadable, file.directive, &file.sections, &what, &advice);
    }
}

/// Whether every user may enter all folders of the path.
fn is_reachable_by_all(real: &Path) -> bool {
    let may_enter = |folder| fs::metadata(folder).is_ok_and(|folder| folder.mode() & ENTER != 0);
    real.ancestors().skip(1).all(may_enter)
}

fn others_can_write(
    findings: &mut Findings<'_, '_>,
    file: &Used<'_>,
    real: &Path,
    metadata: &Metadata,
    user: Option<&RunUser>,
) {
    let path = file.path.display();
    let as_run_user = user.filter(|user| !user.starts_httpd && user.may(WRITE, metadata));
    let (who, advice) = if metadata.mode() & WRITE != 0 && is_reachable_by_all(real) {
        ("every user of this machine".to_owned(), format!("chmod o-w {path}"))
    } else if let Some(RunUser { name, group, .. }) = as_run_user {
        let who = format!("httpd's user {name}, and so by an attacker in control of httpd");
        (who, format!("chown root:{group} {path} && chmod 640 {path}"))
    } else {
        return;
    };
    let what = format!("{} can be written by {who} (mode {})", file.name(), mode(metadata));
    findings.add(Check::Writable, file.directive, &file.sections, &what, &advice);
}

fn mode(metadata: &Metadata) -> String {
    format!("{:04o}", metadata.mode() & 0o7777)
}

/// The folders that clients can download from.
struct Served<'t> {
    /// The targets of `DocumentRoot`, `Alias` and `ScriptAlias`, in every virtual host.
    folders: HashMap<PathBuf, Directive<'t>>,
    /// Files that begin with `.ht` are refused, as in httpd's default configuration.
    hides_ht_files: bool,
}

impl<'t> Served<'t> {
    fn by(sections: &Sections<'t>) -> Self {
        let mut folders = HashMap::new();
        for (_, directive) in ["DocumentRoot", "Alias", "ScriptAlias"].into_iter().flat_map(|name| sections.named(name))
        {
            let target = directive.words().last().and_then(|path| absolute(directive, path));
            if let Some(folder) = target.and_then(|path| path.canonicalize().ok()) {
                folders.entry(folder).or_insert(directive);
            }
        }
        Served { folders, hides_ht_files: sections.all().any(hides_ht_files) }
    }
}

/// Such as `<FilesMatch "^\.ht">` with `Require all denied`, outside any virtual host.
fn hides_ht_files(section: &Section<'_>) -> bool {
    let denies = |directive: Directive<'_>| {
        let words = directive.words().join(&b' ').to_ascii_lowercase();
        directive.is("Require") && words == b"all denied" || directive.is("Deny") && words == b"from all"
    };
    section.kind == SectionKind::Files
        && section.host == MAIN
        && section.argument.windows(3).any(|part| part == b".ht")
        && section.directives.iter().any(|placed| denies(placed.directive))
}

fn can_be_fetched(findings: &mut Findings<'_, '_>, file: &Used<'_>, real: &Path, served: &Served<'_>) {
    if served.hides_ht_files && real.file_name().is_some_and(|name| name.as_bytes().starts_with(b".ht")) {
        return;
    }
    let Some(directive) = real.ancestors().find_map(|folder| served.folders.get(folder)) else { return };
    let (by, place) = (directive.text(), directive.place());
    let what = format!("{} is in a folder that clients can download from ({by}, {place})", file.name());
    let advice = "move it out of every DocumentRoot and Alias";
    findings.add(Check::ServedFile, file.directive, &file.sections, &what, advice);
}
