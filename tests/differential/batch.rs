//! Runs a batch of configurations in the stock server and in ours, side by side.

use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::batch_folder::{BatchFolder, ports_defined};
use super::model::Configuration;
use super::talk::{Answered, Target, curl_speaks_http2, tag};
use crate::harness::backend::Backend;
use crate::harness::httpd::{self, Httpd, Mpm, Setup, Site};
use crate::harness::installation::Installation;
use crate::harness::log::{self, Line};
use crate::variant::{STOCK, Variant};

/// The result of one configuration on the two servers.
pub(crate) enum Taken {
    /// At least one of them refused it.
    Refused { stock: Said, ours: Said },
    /// By the number of the request. Lines outside of any request are under [`OUTSIDE`].
    Served(HashMap<usize, Both>),
}

/// Exit status and output of `httpd -t`.
pub(crate) type Said = (Option<i32>, String);

#[derive(Default)]
pub(crate) struct Both {
    pub(crate) stock: Effects,
    pub(crate) ours: Effects,
}

/// What a request brings about on a server: the answer, and lines in the logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// 0: there is no answer, and the body gives the reason.
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
    /// Status and user in the access log, of the original request and of the one it ended as.
    pub(crate) accessed: Vec<String>,
    pub(crate) logged: Vec<Line>,
}

/// Stands for all requests of a configuration: some lines name a file but no request.
pub(crate) const OUTSIDE: usize = usize::MAX;

/// True if client and servers support HTTP/2.
pub(crate) fn speaks_http2(variant: &Variant) -> bool {
    variant.mpm != Mpm::Prefork && Installation::get().has("http2") && curl_speaks_http2()
}

/// By the name of the configuration.
pub(crate) fn run(variant: &Variant, configurations: &[Configuration], backend: &Backend) -> HashMap<String, Taken> {
    let batch = BatchFolder::write(configurations, backend);
    let mut taken = HashMap::new();
    let mut accepted: Vec<&Configuration> = configurations.iter().collect();
    while let Some((name, refused)) = refusal(variant, &accepted, &batch) {
        accepted.retain(|configuration| configuration.name != name);
        taken.insert(name, refused);
    }
    if accepted.is_empty() {
        return taken;
    }
    // Not each in its own thread: a server ends with the thread that started it.
    let mut stock = start(&STOCK, variant, &accepted, &batch);
    let mut ours = start(variant, variant, &accepted, &batch);
    let mut served = serve(&accepted, &batch, backend, &stock, &ours);
    for server in [&mut stock, &mut ours] {
        wait_for_the_log(server);
        let ended = server.stop();
        assert!(ended.success(), "{}: httpd ended with {ended}", variant.name);
    }
    read_logs(&stock, &batch, &mut served, |both| &mut both.stock);
    read_logs(&ours, &batch, &mut served, |both| &mut both.ours);
    taken.extend(served.into_iter().map(|(name, results)| (name, Taken::Served(results))));
    taken
}

/// A configuration that one of the servers refuses, with their messages.
fn refusal(variant: &Variant, accepted: &[&Configuration], batch: &BatchFolder) -> Option<(String, Taken)> {
    let check = |which: &Variant| {
        let configuration = |site: &Site<'_>| main_server(which, variant, accepted, batch, site);
        httpd::check(&Setup { mpm: which.mpm, load: load(which, variant), ports: 0, configuration: &configuration })
    };
    let (stock, ours) = thread::scope(|scope| {
        let stock = scope.spawn(|| check(&STOCK));
        let ours = check(variant);
        (stock.join().expect("a check ends"), ours)
    });
    if stock.0 == Some(0) && ours.0 == Some(0) {
        return None;
    }
    let text = if stock.0 == Some(0) { &ours.1 } else { &stock.1 };
    let named = accepted.iter().find(|it| text.contains(&batch.conf(it).display().to_string()));
    let Some(refused) = named.or(accepted.first().filter(|_| accepted.len() == 1)) else {
        // Some refusals name no file.
        let (front, back) = accepted.split_at(accepted.len() / 2);
        let mut halves = [front, back].into_iter().filter(|half| !half.is_empty());
        let found = halves.find_map(|half| refusal(variant, half, batch));
        return Some(found.unwrap_or_else(|| panic!("refused only together: stock {stock:?}, ours {ours:?}")));
    };
    let without_folder = |(status, text): Said| (status, batch.take_out(&refused.name, &text));
    Some((refused.name.clone(), Taken::Refused { stock: without_folder(stock), ours: without_folder(ours) }))
}

fn load(which: &Variant, beside: &Variant) -> String {
    which.load() + &if speaks_http2(beside) { Installation::get().load(&["http2"]) } else { String::new() }
}

fn start(which: &Variant, beside: &Variant, accepted: &[&Configuration], batch: &BatchFolder) -> Httpd {
    let configuration = |site: &Site<'_>| main_server(which, beside, accepted, batch, site);
    let ports = batch.ports();
    Httpd::start(&Setup { mpm: which.mpm, load: load(which, beside), ports, configuration: &configuration })
}

fn main_server(
    which: &Variant,
    beside: &Variant,
    accepted: &[&Configuration],
    batch: &BatchFolder,
    site: &Site<'_>,
) -> String {
    let folder = site.folder.display();
    let protocols = if speaks_http2(beside) { "Protocols h2c http/1.1\n" } else { "" };
    format!(
        "{}ErrorLogFormat \"{}\"\n\
         LogFormat \"%{{X-Case}}i|%<s %<u %>s %>u %r\" differential\nCustomLog {folder}/access.log differential\n\
         Header always set X-Seen-User \"expr=%{{REMOTE_USER}}\" \"expr=! %{{REMOTE_USER}} =~ /[[:cntrl:]]/\"\n\
         Header always set X-Seen-Type \"expr=%{{AUTH_TYPE}}\"\n\
         TypesConfig /dev/null\nAddType text/plain .txt\nDirectoryIndex index.html\nAuthnCacheEnable\n\
         <Directory />\nAllowOverride None\n</Directory>\n{protocols}{}{}",
        which.log_level(),
        log::FORMAT,
        ports_defined(site.ports, batch.ports()),
        batch.includes(accepted)
    )
}

/// A child logs a request after it has answered, and may be told to end in between: waits until nothing more is logged.
fn wait_for_the_log(server: &Httpd) {
    let size = || fs::metadata(server.folder().join("access.log")).map_or(0, |file| file.len());
    let mut before = size();
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(50));
        let now = size();
        if now == before {
            return;
        }
        before = now;
    }
}

type Served = HashMap<String, HashMap<usize, Both>>;

/// Each talk goes to one server, then to the other, so that both see the same files.
fn serve(accepted: &[&Configuration], batch: &BatchFolder, backend: &Backend, stock: &Httpd, ours: &Httpd) -> Served {
    let served = Mutex::new(Served::new());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(configuration) = accepted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let results = ask_both(configuration, batch, backend, stock, ours);
                    served.lock().unwrap().insert(configuration.name.clone(), results);
                }
            });
        }
    });
    served.into_inner().unwrap()
}

fn ask_both(
    configuration: &Configuration,
    batch: &BatchFolder,
    backend: &Backend,
    stock: &Httpd,
    ours: &Httpd,
) -> HashMap<usize, Both> {
    let mut results = HashMap::from([(OUTSIDE, Both::default())]);
    let port = batch.port(configuration);
    let name = configuration.name.as_str();
    let target = |server: &Httpd| Target { name, port: server.ports()[port], backend: backend.port() };
    let (stock_target, our_target) = (target(stock), target(ours));
    for talk in &configuration.talks {
        if let Some(edit) = &talk.edit {
            batch.edit(name, edit);
        }
        let answers = stock_target.hold(talk).into_iter().zip(our_target.hold(talk));
        for (ask, (by_stock, by_ours)) in talk.asks.iter().zip(answers) {
            let stock = effects(by_stock, name, stock, batch);
            let ours = effects(by_ours, name, ours, batch);
            results.insert(ask.number, Both { stock, ours });
        }
    }
    results
}

fn effects(answered: Answered, name: &str, server: &Httpd, batch: &BatchFolder) -> Effects {
    let text = |text: &str| without_ports(&batch.take_out(name, text), server);
    match answered {
        Ok(answer) => Effects {
            status: answer.status,
            headers: answer
                .headers
                .iter()
                .filter(|(name, _)| name != "date")
                .map(|(name, value)| format!("{name}: {}", text(&without_chance(name, value))))
                .collect(),
            body: text(&body(&answer.body)),
            ..Effects::default()
        },
        Err(why) => Effects { body: why.to_owned(), ..Effects::default() },
    }
}

/// The servers listen on different ports, which all have the same number of digits.
fn without_ports(text: &str, server: &Httpd) -> String {
    server.ports().iter().fold(text.to_owned(), |text, port| text.replace(&port.to_string(), "@PORT"))
}

/// The value without its random parts: a Digest header's nonce, the order of listed methods.
fn without_chance(name: &str, value: &str) -> String {
    if name == "allow" {
        let mut methods: Vec<_> = value.split(',').collect();
        methods.sort_unstable();
        return methods.join(",");
    }
    ["nonce=\"", "rspauth=\""].iter().fold(value.to_owned(), |value, field| without_quoted(&value, field))
}

/// TRACE and the back end show the client's request; parts of a Digest answer depend on the nonce.
fn body(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body).into_owned();
    [" nonce=\"", " response=\""].iter().fold(body, |body, field| without_quoted(&body, field))
}

/// The text without the quoted values of each `field`.
fn without_quoted(text: &str, field: &str) -> String {
    let mut parts = text.split(field);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}{field}…{}", &part[part.find('"').unwrap_or(0)..]))
}

fn read_logs(server: &Httpd, batch: &BatchFolder, served: &mut Served, side: impl Fn(&mut Both) -> &mut Effects) {
    let accessed = fs::read(server.folder().join("access.log")).unwrap();
    for line in String::from_utf8_lossy(&accessed).lines() {
        let Some((tag, rest)) = line.split_once('|') else { continue };
        if let Some((name, both)) = by_tag(served, tag) {
            side(both).accessed.push(without_ports(&batch.take_out(&name, rest), server));
        }
    }
    let server_folder = server.folder().display().to_string();
    let folder = format!("{}/", batch.path().display());
    for mut line in log::parse(&server.error_log()) {
        if line.tag == "-" {
            // It belongs to the configuration whose folder it names.
            let Some((_, rest)) = line.text.split_once(&folder) else { continue };
            line.tag = tag(rest.split('/').next().unwrap_or_default(), OUTSIDE);
        }
        if let Some((name, both)) = by_tag(served, &line.tag) {
            let text = batch.take_out(&name, &line.text.replace(&server_folder, "@SERVER@"));
            line.text = without_ports(&text, server);
            line.tag = String::new();
            side(both).logged.push(line);
        }
    }
}

fn by_tag<'a>(served: &'a mut Served, tag: &str) -> Option<(String, &'a mut Both)> {
    let (name, number) = tag.split_once('/')?;
    let both = served.get_mut(name)?.get_mut(&number.parse().ok()?)?;
    Some((name.to_owned(), both))
}
