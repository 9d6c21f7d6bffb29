//! The folder of a batch of configurations, read by both servers.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use super::model::{Configuration, Edit, File, Role, written};
use crate::harness::backend::Backend;
use crate::harness::installation::{Installation, group_name};
use crate::harness::md5;
use crate::harness::scratch::Scratch;

pub(crate) struct BatchFolder {
    folder: Scratch,
    group: String,
    backend: u16,
    /// The number of a configuration's own port.
    own_ports: HashMap<String, usize>,
}

impl BatchFolder {
    pub(crate) fn write(configurations: &[Configuration], backend: &Backend) -> Self {
        let folder = Scratch::new();
        let probe = folder.write("probe", "").metadata().unwrap();
        let group = group_name(probe.gid()).expect("the group that owns new files has a name");
        let own = configurations.iter().filter(|configuration| configuration.own_port);
        let own_ports = own.enumerate().map(|(index, configuration)| (configuration.name.clone(), 1 + index)).collect();
        let batch = BatchFolder { folder, group, backend: backend.port(), own_ports };
        let dbm = batch.folder.write("shared/users.dbm", users_dbm());
        fs::set_permissions(dbm, Permissions::from_mode(0o644)).unwrap();
        for configuration in configurations {
            let name = &configuration.name;
            batch.folder.write(&format!("{name}.conf"), batch.configuration(configuration));
            fs::create_dir_all(batch.path().join(name).join("htdocs")).unwrap();
            configuration.files.iter().for_each(|file| batch.write_file(name, file));
        }
        batch
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// How many ports the configurations need.
    pub(crate) fn ports(&self) -> usize {
        1 + self.own_ports.len()
    }

    /// The server's port for the configuration.
    pub(crate) fn port(&self, configuration: &Configuration) -> usize {
        self.own_ports.get(&configuration.name).copied().unwrap_or(0)
    }

    /// The configuration included by both servers. Their ports differ, so these are variables.
    fn configuration(&self, configuration: &Configuration) -> String {
        let name = &configuration.name;
        let text = format!(
            "{}<VirtualHost 127.0.0.1:{}>\nServerName {name}.test\nDocumentRoot @DIR@/htdocs\n{}</VirtualHost>\n",
            written(&configuration.global),
            variable(self.port(configuration)),
            written(&configuration.host),
        );
        self.fill_in(name, &text)
    }

    pub(crate) fn fill_in(&self, name: &str, text: &str) -> String {
        if !text.contains('@') {
            return text.to_owned();
        }
        let folder = self.path().display();
        let mut text = text
            .replace("@DIR@", &format!("{folder}/{name}"))
            .replace("@NAME@", name)
            .replace("@SHARED@", &format!("{folder}/shared"))
            .replace("@BACKEND@", &self.backend.to_string())
            .replace("@GROUP@", &self.group);
        while let Some(start) = text.find("@HA1:") {
            let end = start + 5 + text[start + 5..].find('@').expect("@HA1:user:realm:password@");
            let digest = md5::hex(&text.as_bytes()[start + 5..end]);
            text.replace_range(start..=end, &digest);
        }
        text
    }

    /// The inverse, for a server's output: so that names and folders do not count as differences.
    pub(crate) fn take_out(&self, name: &str, text: &str) -> String {
        let folder = self.path().display().to_string();
        text.replace(&format!("{folder}/{name}"), "@DIR@").replace(&folder, "@FOLDER@").replace(name, "@NAME@")
    }

    fn write_file(&self, name: &str, file: &File) {
        let path = self.path().join(name).join(file.path);
        if file.role == Role::Folder {
            fs::create_dir(&path).unwrap();
            return;
        }
        let path = self.folder.write(&format!("{name}/{}", file.path), self.content(name, file));
        if file.role == Role::Locked {
            fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
        }
        if file.path.starts_with("htdocs/") {
            // Times of files and folders appear in headers and listings; those of young ones not always in the same
            // way.
            let time = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
            for folder in path.ancestors().take_while(|folder| !folder.ends_with(name)) {
                fs::File::open(folder).and_then(|opened| opened.set_modified(time)).unwrap();
            }
        }
    }

    fn content(&self, name: &str, file: &File) -> Vec<u8> {
        let line = |line: &Vec<u8>| match std::str::from_utf8(line) {
            Ok(text) => self.fill_in(name, text).into_bytes(),
            Err(_) => line.clone(),
        };
        file.lines.iter().flat_map(line).collect()
    }

    pub(crate) fn edit(&self, name: &str, edit: &Edit) {
        let content = self.content(name, &edit.file);
        if edit.by_rename {
            let new = self.folder.write(&format!("{name}/new"), content);
            fs::rename(new, self.path().join(name).join(edit.file.path)).unwrap();
        } else {
            self.folder.write(&format!("{name}/{}", edit.file.path), content);
        }
    }

    /// The `Include` lines of a server's configuration.
    pub(crate) fn includes(&self, configurations: &[&Configuration]) -> String {
        configurations
            .iter()
            .map(|configuration| format!("Include {}/{}.conf\n", self.path().display(), configuration.name))
            .collect()
    }

    pub(crate) fn conf(&self, configuration: &Configuration) -> PathBuf {
        self.path().join(format!("{}.conf", configuration.name))
    }
}

/// `Define` lines for the ports of a server. One that is only checked has none.
pub(crate) fn ports_defined(ports: &[u16], count: usize) -> String {
    let port = |index: usize| ports.get(index).copied().unwrap_or(1 + index as u16);
    (0..count).map(|index| format!("Define ESAUTH_PORT_{index} {}\n", port(index))).collect()
}

fn variable(index: usize) -> String {
    format!("${{ESAUTH_PORT_{index}}}")
}

/// A DBM of alice/dbmsecret and dana/dbmsecret.
fn users_dbm() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = Scratch::new();
        let path = folder.path().join("users.dbm");
        for (flags, user) in [("-cbs", "alice"), ("-bs", "dana")] {
            let mut htdbm = Command::new(Installation::get().program("htdbm"));
            let output = htdbm.arg(flags).arg(&path).args([user, "dbmsecret"]).output();
            let output = output.unwrap_or_else(|error| panic!("cannot run htdbm: {error}"));
            assert!(output.status.success(), "htdbm: {}", String::from_utf8_lossy(&output.stderr));
        }
        fs::read(path).unwrap()
    })
}
