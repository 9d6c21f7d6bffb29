//! `esauth check`: faults in password, group and roles files.

mod bytes;
mod disguise;
mod findings;
mod groups;
mod lines;
mod names;
mod passwords;
mod report;
mod roles;
mod rotations;
mod spelling;
mod timing;

use std::process::ExitCode;

use esauth_engine::{LineRules, Listing};

use self::findings::{Findings, checked};
use self::lines::{File, NamedFile};
use self::names::Names;
use crate::arguments::{CheckOptions, Generation};

pub(crate) fn run(options: &CheckOptions) -> Result<ExitCode, String> {
    let mut timer = timing::Timer::start();
    let rules = match options.httpd {
        Generation::V22 => LineRules::Httpd22,
        Generation::V24 => LineRules::Httpd24,
    };
    let users = options.files.iter().map(|path| File::read(path, |text| Listing::of_passwords(text, rules)));
    let users: Vec<File> = users.collect::<Result<_, _>>()?;
    let groups = options.groups.iter().map(|path| File::read(path, |text| Listing::of_groups(text, rules)));
    let groups: Vec<File> = groups.collect::<Result<_, _>>()?;

    let mut names = Names::default();
    names.reserve_for(users.iter().map(|file| &file.listing));
    let users_by_number: Vec<_> = users.iter().map(|file| names.of_users(&file.listing)).collect();
    let members_by_number: Vec<_> = groups.iter().map(|file| names.of_members(&file.listing)).collect();
    let are_compared = !users.is_empty() && !groups.is_empty();
    let named = |file, numbers| NamedFile { file, numbers, names: &names, are_compared };

    let mut files = Vec::new();
    for (file, numbers) in users.iter().zip(&users_by_number) {
        let mut findings = Findings::new(options);
        let content = passwords::check(&named(file, numbers), options.min_bcrypt_cost, &mut timer, &mut findings);
        files.push(checked(&file.path, content, findings));
    }
    for (file, numbers) in groups.iter().zip(&members_by_number) {
        let mut findings = Findings::new(options);
        let content = groups::check(&named(file, numbers), &mut findings);
        files.push(checked(&file.path, content, findings));
    }
    let listings: Vec<&Listing> = groups.iter().map(|file| &file.listing).collect();
    for path in &options.roles {
        let text = lines::read(path)?;
        let mut findings = Findings::new(options);
        let content = roles::check(&text, &listings, &mut findings);
        files.push(checked(&path.display().to_string(), content, findings));
    }
    report::print(&files, options)?;
    let is_clean = files.iter().all(|file| file.counts.is_empty());
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
