//! A real httpd with one of the shipped virtual hosts, intact or broken, and a back end that answers like
//! Elasticsearch: another virtual host of the same httpd, which serves Elasticsearch's JSON.

// Every test crate compiles this file and uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use time::{Duration, OffsetDateTime};

use crate::harness::httpd::{Httpd, Mpm, Setup, Site};
use crate::harness::installation::{Installation, workspace};
use crate::harness::ports::free_port;
use crate::program::{Run, esauth_with};

/// Elasticsearch 7.17.28's answer at `/`, shortened.
const CLUSTER: &str = r#"{"name":"node","cluster_name":"test","version":{"number":"7.17.28","lucene_version":"8.11.3"},
"tagline":"You Know, for Search"}"#;

/// True, with a message, if the calling test cannot run.
pub(crate) fn is_impossible() -> bool {
    let installation = Installation::get();
    let why = if !installation.has("ssl") || !installation.has("headers") {
        "it has no mod_ssl or no mod_headers"
    } else if installation.is_22() {
        "the virtual hosts are those of 2.4"
    } else {
        return false;
    };
    installation.skip_this_test(why);
    true
}

/// An address of this machine other than the loopback's. Without one, the test that needs it is skipped.
pub(crate) fn others_address() -> Option<std::net::IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap().into_iter().find(|interface| !interface.is_loopback());
    if found.is_none() {
        Installation::get().skip_this_test("this machine has no address but the loopback's");
    }
    found.map(|interface| interface.ip())
}

pub(crate) struct Certificate {
    pub(crate) names: Vec<String>,
    /// From now.
    pub(crate) days: i64,
    /// Signed by a CA that is not trusted.
    pub(crate) is_untrusted: bool,
    /// Self-signed, and trusted itself.
    pub(crate) is_self_signed: bool,
    /// Marked as a CA's, as `openssl req -x509` does.
    pub(crate) is_ca: bool,
}

impl Default for Certificate {
    fn default() -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        Certificate { names, days: 90, is_untrusted: false, is_self_signed: false, is_ca: false }
    }
}

impl Certificate {
    /// Writes `certificate.pem`, `key.pem` and, for clients, `ca.pem`.
    fn write(&self, folder: &Path) {
        let mut wanted = CertificateParams::new(self.names.clone()).unwrap();
        wanted.not_before = OffsetDateTime::now_utc() - Duration::days(30);
        wanted.not_after = OffsetDateTime::now_utc() + Duration::days(self.days);
        if self.is_ca {
            wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let (trusted, other) = (ca("A CA"), ca("Another CA"));
        let (certificate, trusted) = if self.is_self_signed {
            let certificate = wanted.self_signed(&key).unwrap();
            let pem = certificate.pem();
            (certificate, pem)
        } else {
            let issuer = if self.is_untrusted { &other.0 } else { &trusted.0 };
            (wanted.signed_by(&key, issuer).unwrap(), trusted.1)
        };
        fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.join("ca.pem"), trusted).unwrap();
    }

    /// Writes client certificates, and the certificate of one's CA as `client-ca.pem`.
    fn write_clients(folder: &Path) {
        let trusted = ca("A CA of clients");
        fs::write(folder.join("client-ca.pem"), &trusted.1).unwrap();
        for (name, issuer) in [("client", &trusted.0), ("stranger", &ca("A CA of strangers").0)] {
            let key = KeyPair::generate().unwrap();
            let wanted = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let (certificate, key) = (wanted.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem());
            fs::write(folder.join(format!("{name}.certificate")), &certificate).unwrap();
            fs::write(folder.join(format!("{name}.key")), &key).unwrap();
            fs::write(folder.join(format!("{name}.both")), certificate + &key).unwrap();
        }
    }
}

/// A CA, and its certificate.
fn ca(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let mut wanted = CertificateParams::new(Vec::new()).unwrap();
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wanted.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let pem = wanted.self_signed(&key).unwrap().pem();
    (Issuer::new(wanted, key), pem)
}

/// The server to start.
pub(crate) struct Front {
    variant: &'static str,
    edits: Vec<(String, String)>,
    certificate: Certificate,
    users: String,
    backend: String,
    has_backend: bool,
    backend_is_open: bool,
    /// Whether the port for plain HTTP is open to all, and directives that replace its shipped ones.
    plain: Option<Option<&'static str>>,
    serves_password_file: bool,
}

impl Front {
    /// One of the shipped virtual hosts, unchanged: "users" or "groups".
    pub(crate) fn new(variant: &'static str) -> Self {
        Front {
            variant,
            edits: Vec::new(),
            certificate: Certificate::default(),
            // Both passwords are "secret".
            users: "alice:$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu\n\
                    bob:$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071\n"
                .to_owned(),
            backend: CLUSTER.to_owned(),
            has_backend: true,
            backend_is_open: false,
            plain: None,
            serves_password_file: false,
        }
    }

    /// Replaces a part of the virtual hosts.
    pub(crate) fn edit(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }

    pub(crate) fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = certificate;
        self
    }

    pub(crate) fn users(mut self, text: &str) -> Self {
        self.users = text.to_owned();
        self
    }

    pub(crate) fn backend_says(mut self, text: &str) -> Self {
        self.backend = text.to_owned();
        self
    }

    pub(crate) fn without_backend(mut self) -> Self {
        self.has_backend = false;
        self
    }

    pub(crate) fn open_backend(mut self) -> Self {
        self.backend_is_open = true;
        self
    }

    /// Opens the port for plain HTTP, with its shipped virtual host or with these directives.
    pub(crate) fn plain_port_for_all(mut self, directives: Option<&'static str>) -> Self {
        self.plain = Some(directives);
        self
    }

    pub(crate) fn serve_password_file(mut self) -> Self {
        self.serves_password_file = true;
        self
    }

    pub(crate) fn start(self) -> Running {
        let (plain_port, backend_port) = (free_port(), free_port());
        let modules =
            ["authn_core", "authz_core", "authz_user", "authz_host", "ssl", "proxy", "proxy_http", "alias", "headers"];
        let load = Installation::get().load(&modules);
        let server = Httpd::start(&Setup {
            mpm: Mpm::usual(),
            load: load + &Installation::get().load_ours(),
            ports: 1,
            configuration: &|site| self.configuration(site, plain_port, backend_port),
        });
        let ca = server.folder().join("ca.pem").display().to_string();
        Running { server, plain_port, backend_port, ca }
    }

    fn configuration(&self, site: &Site<'_>, plain_port: u16, backend_port: u16) -> String {
        let folder = site.folder;
        self.certificate.write(folder);
        Certificate::write_clients(folder);
        fs::create_dir(folder.join("htdocs")).unwrap();
        fs::write(folder.join("htdocs/es.json"), &self.backend).unwrap();
        fs::write(folder.join("htdocs/elasticsearch.users"), &self.users).unwrap();
        fs::write(folder.join("elasticsearch.groups"), "elasticsearch: alice\n").unwrap();
        fs::write(folder.join("alice.password"), "secret\n").unwrap();
        fs::write(folder.join("bob.password"), "secret").unwrap();

        let shipped = workspace().join(format!("apache/elasticsearch-{}-2.4.conf", self.variant));
        let mut hosts = fs::read_to_string(shipped).unwrap();
        for (from, to) in &self.edits {
            assert!(hosts.contains(from), "the shipped virtual host has no {from:?}");
            hosts = hosts.replace(from, to);
        }
        if self.serves_password_file {
            hosts = hosts.replace("ProxyPass / ", "ProxyPass /elasticsearch.users !\n    ProxyPass / ");
        }
        let folder = folder.display();
        let mut text = format!(
            "Define ES_BACKEND http://127.0.0.1:{backend_port}\nDefine ES_TLS_PORT {}\n\
             Define ES_PLAIN_ADDRESS 127.0.0.1:{plain_port}\nDefine ES_CERTIFICATE {folder}/certificate.pem\n\
             Define ES_CERTIFICATE_KEY {folder}/key.pem\nDefine ES_USERS {folder}/htdocs/elasticsearch.users\n\
             Define ES_GROUPS {folder}/elasticsearch.groups\nDefine ES_CLIENT_CA {folder}/client-ca.pem\nDocumentRoot {folder}/htdocs\n\
             LogFormat \"%r %u\\\" %>s\" who\nCustomLog {folder}/access.log who\n",
            site.ports[0]
        );
        if let Some(directives) = self.plain {
            const PLAIN_HOST: &str = "<VirtualHost ${ES_PLAIN_ADDRESS}>";
            let place = hosts.find(PLAIN_HOST).unwrap();
            let shipped = hosts.split_off(place).replace(PLAIN_HOST, "");
            let content = directives.map_or(shipped, |directives| format!("{directives}</VirtualHost>\n"));
            hosts = hosts.replace("Listen ${ES_PLAIN_ADDRESS}", &format!("Listen {plain_port}"));
            hosts += &format!("<VirtualHost *:{plain_port}>\n{content}");
        }
        text += &hosts;
        if self.has_backend {
            let address =
                if self.backend_is_open { backend_port.to_string() } else { format!("127.0.0.1:{backend_port}") };
            // Like Elasticsearch since 7.14, in every answer.
            text += &format!(
                "Listen {address}\n<VirtualHost *:{backend_port}>\nAliasMatch ^/ {folder}/htdocs/es.json\n\
                 Header always set X-elastic-product Elasticsearch\n</VirtualHost>\n"
            );
        }
        text
    }
}

pub(crate) struct Running {
    server: Httpd,
    plain_port: u16,
    backend_port: u16,
    ca: String,
}

impl Running {
    pub(crate) fn tls_port(&self) -> u16 {
        self.server.port()
    }

    pub(crate) fn plain_port(&self) -> u16 {
        self.plain_port
    }

    pub(crate) fn ca(&self) -> &str {
        &self.ca
    }

    pub(crate) fn access_log(&self) -> String {
        fs::read_to_string(self.server.folder().join("access.log")).unwrap()
    }

    /// The JSON result of all checks of this server.
    pub(crate) fn verify(&self, more: &[&str]) -> Run {
        self.verify_url(&format!("https://localhost:{}", self.tls_port()), more)
    }

    pub(crate) fn verify_url(&self, url: &str, more: &[&str]) -> Run {
        let run = self.run(url, &[&["--json"], more].concat(), &[]);
        assert!(run.json.is_object(), "{}{}", run.output, run.errors);
        run
    }

    pub(crate) fn verify_as_text(&self, more: &[&str], variables: &[(&str, &str)]) -> Run {
        self.run(&format!("https://localhost:{}", self.tls_port()), more, variables)
    }

    fn run(&self, url: &str, more: &[&str], variables: &[(&str, &str)]) -> Run {
        let folder = self.server.folder().display();
        let in_folder = |name: &str| format!("{folder}/{name}");
        const KINDS: [&str; 4] = [".password", ".certificate", ".key", ".both"];
        let is_file = |argument: &str| KINDS.iter().any(|kind| argument.ends_with(kind));
        let more: Vec<String> = more
            .iter()
            .map(|&argument| if is_file(argument) { in_folder(argument) } else { argument.to_owned() })
            .collect();
        let (plain, backend) = (self.plain_port.to_string(), format!("127.0.0.1:{}", self.backend_port));
        let (user, file) = (in_folder("alice.password"), in_folder("htdocs/elasticsearch.users"));
        let mut arguments = vec!["verify", url, "--ca", &self.ca, "--user", "alice", "--user-password", &user];
        arguments.extend(["--http-port", &plain, "--backend", &backend, "--auth-user-file", &file]);
        arguments.extend(more.iter().map(String::as_str));
        esauth_with(&arguments, variables)
    }
}

impl Run {
    fn ids(&self, result: &str) -> Vec<String> {
        let checks = self.json["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["result"] == result).map(|check| check["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn failed(&self) -> Vec<String> {
        self.ids("failed")
    }

    pub(crate) fn skipped(&self) -> Vec<String> {
        self.ids("skipped")
    }

    fn text(&self, id: &str, member: &str) -> String {
        let checks = self.json["checks"].as_array().unwrap();
        let check =
            checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id} in {}", self.output));
        check[member].as_str().unwrap().to_owned()
    }

    pub(crate) fn found(&self, id: &str) -> String {
        self.text(id, "found")
    }

    pub(crate) fn advice(&self, id: &str) -> String {
        self.text(id, "advice")
    }
}
