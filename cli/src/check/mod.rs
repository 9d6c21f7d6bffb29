//! `esauth check`: faults in password, group and roles files.

mod findings;
mod groups;
mod names;
mod passwords;
mod report;
mod roles;
mod timing;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use esauth_engine::{LineRules, Listing};

use self::findings::{Findings, NamedFile, checked};
use self::names::Names;
use crate::arguments::{CheckOptions, Generation};
use crate::outcome::Outcome;

pub(crate) fn run(options: &CheckOptions) -> Result<Outcome, String> {
    let mut timer = timing::Timer::start();
    let rules = match options.httpd {
        Generation::V22 => LineRules::Httpd22,
        Generation::V24 => LineRules::Httpd24,
    };
    let read = |path: &Path| read(path).map(|text| (path.display().to_string(), text));
    let password_files: Vec<_> = options.files.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let group_files: Vec<_> = options.groups.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let users: Vec<_> =
        password_files.into_iter().map(|(path, text)| (path, Listing::of_passwords(text, rules))).collect();
    let groups: Vec<_> = group_files.into_iter().map(|(path, text)| (path, Listing::of_groups(text, rules))).collect();

    let mut names = Names::default();
    names.reserve_for(users.iter().map(|(_, listing)| listing));
    let users_by_number: Vec<_> = users.iter().map(|(_, listing)| names.of_users(listing)).collect();
    let members_by_number: Vec<_> = groups.iter().map(|(_, listing)| names.of_members(listing)).collect();
    let are_compared = !users.is_empty() && !groups.is_empty();

    let mut files = Vec::new();
    for ((path, listing), numbers) in users.iter().zip(&users_by_number) {
        let mut findings = Findings::new(options);
        let file = NamedFile { listing, numbers, names: &names, are_compared };
        let content = passwords::check(&file, options.min_bcrypt_cost, &mut timer, &mut findings);
        files.push(checked(path, content, findings));
    }
    for ((path, listing), numbers) in groups.iter().zip(&members_by_number) {
        let mut findings = Findings::new(options);
        let content = groups::check(&NamedFile { listing, numbers, names: &names, are_compared }, &mut findings);
        files.push(checked(path, content, findings));
    }
    for path in &options.roles {
        let (path, text) = read(path)?;
        let mut findings = Findings::new(options);
        let content = roles::check(&text, &groups, &mut findings);
        files.push(checked(&path, content, findings));
    }
    report::print(&files, options)?;
    let is_clean = files.iter().all(|file| file.counts.is_empty());
    Ok(if is_clean { Outcome::Good } else { Outcome::Bad })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| failed(error.to_string()))?;
    Listing::read(&name).map_err(|error| failed(error.to_string()))
}
