//! Configurations: the content of a virtual host, its sections and its .htaccess files.

use super::files;
use super::model::{Configuration, File, Node, Role, line, section, written};
use super::random::Random;
use super::requests;
use super::requirements::{access, requirement};

/// Configuration `number` of the run with this seed; independent of those before it.
pub(crate) fn configuration(seed: u64, number: usize, http2: bool) -> Configuration {
    let random = &mut Random::new(seed, number as u64);
    let own_port = random.chance(4);
    let mut global = Vec::new();
    let mut host = surroundings(random, own_port);
    let proxied = host.iter().any(|node| matches!(node, Node::Line(line) if line.starts_with("Proxy")));
    let mut sections = vec![outermost(random, proxied)];
    for _ in 0..random.below(4) {
        let place = random.weighted(PLACES);
        let fullness = if random.chance(25) { 94 } else { 0 };
        sections.push(section(place, section_text(random, fullness, place)));
    }
    if random.chance(25) {
        random.shuffle(&mut sections);
    }
    if random.chance(10) {
        let inside = section_text(random, 60, "");
        global.push(section(r#"Directory "@DIR@/htdocs""#, inside));
    }
    host.extend(sections);
    global.splice(0..0, aliases(&(written(&host) + &written(&global))));
    // httpd must refuse the same, in the same words.
    if random.chance(3) {
        host.push(section(r#"Location "/refused""#, vec![line(random.pick(REFUSED))]));
    }
    let mut files = files::of(random);
    files.extend(htaccess(random));
    let talks = requests::talks(random, own_port, http2);
    Configuration { name: format!("c{number:07}"), global, host, files, talks, own_port }
}

/// Directives that do not concern authentication, but decide when and how often it is needed.
fn surroundings(random: &mut Random, own_port: bool) -> Vec<Node> {
    let options = random.pick(&["+Includes", "+Includes +Indexes", "+Includes +Indexes +MultiViews", "All"]);
    let overrides = random.weighted(&[
        (6, "AllowOverride None"),
        (10, "AllowOverride AuthConfig"),
        (4, "AllowOverride All"),
        (3, "AllowOverride AuthConfig Limit FileInfo"),
        (1, "AllowOverride None\nAllowOverrideList AuthType AuthName AuthUserFile AuthGroupFile Require"),
        (1, "AllowOverride Nonfatal=AuthConfig"),
    ]);
    let mut folder = vec![line(format!("Options {options}"))];
    folder.extend(overrides.lines().map(line));
    let mut nodes = vec![
        line("AddType text/html .shtml"),
        line("AddOutputFilter INCLUDES .shtml"),
        section(r#"Directory "@DIR@/htdocs""#, folder),
    ];
    if own_port {
        nodes.push(line("ProxyRequests On"));
    } else if random.chance(35) {
        nodes.push(line(random.weighted(&[
            (4, "ProxyPass / http://127.0.0.1:@BACKEND@/"),
            (4, "ProxyPass /p/ http://127.0.0.1:@BACKEND@/p/"),
            (1, "ProxyPassMatch ^/(p/.*)$ http://127.0.0.1:@BACKEND@/$1"),
        ])));
    }
    for (percent, texts) in SURROUNDINGS {
        if random.chance(*percent) {
            nodes.extend(random.pick(texts).lines().map(line));
        }
    }
    if random.chance(8) {
        let text = random.pick(&["FallbackResource /file.txt", "RewriteEngine On\nRewriteRule ^old$ /in/file.txt"]);
        nodes.push(section(r#"Directory "@DIR@/htdocs""#, text.lines().map(line).collect()));
    }
    nodes
}

const SURROUNDINGS: &[(usize, &[&str])] = &[
    (
        25,
        &[
            "ErrorDocument 401 /in/file.txt",
            "ErrorDocument 401 /file.txt",
            "ErrorDocument 401 /page.shtml",
            "ErrorDocument 401 /nowhere",
            "ErrorDocument 401 \"who are you?\"",
            "ErrorDocument 403 /in/file.txt",
            "ErrorDocument 404 /file.txt",
            "ErrorDocument 404 /page.shtml",
            "ErrorDocument 500 /open/file.txt",
            "ErrorDocument 401 /old",
        ],
    ),
    (
        15,
        &[
            "RewriteEngine On\nRewriteRule ^/old$ /file.txt",
            "RewriteEngine On\nRewriteRule ^/old$ /in/file.txt [PT]",
            "RewriteEngine On\nRewriteRule ^/old$ /in/ [R]",
            "RewriteEngine On\nRewriteRule ^/old$ - [F]",
            "RewriteEngine On\nRewriteRule ^/(old)$ http://127.0.0.1:@BACKEND@/$1 [P]",
            "RewriteEngine On\nRewriteCond %{LA-U:REMOTE_USER} ^alice$\nRewriteRule ^/old$ /in/file.txt",
        ],
    ),
    (10, &["SetEnvIf X-Key open let_in", "SetEnvIf X-Group (.*) G=$1", "SetEnv G staff"]),
    (8, &["RequestHeader set X-Remote-User expr=%{REMOTE_USER}", "RequestHeader unset Authorization"]),
    (4, &["Alias /open/ @DIR@/htdocs/in/", "DirectoryIndex nothing.html in/file.txt"]),
    (
        4,
        &[
            "UseCanonicalName On",
            "DirectorySlash Off",
            "AcceptPathInfo On",
            "KeepAlive Off",
            "HttpProtocolOptions Unsafe",
        ],
    ),
];

/// Most configurations protect everything, so that the other sections have something to change.
fn outermost(random: &mut Random, proxied: bool) -> Node {
    let place = if proxied && random.chance(60) {
        random.weighted(&[
            (6, r#"Proxy "*""#),
            (2, r#"Proxy "http://127.0.0.1*""#),
            (1, r#"ProxyMatch "^http://127""#),
            (3, r#"Location "/p/""#),
        ])
    } else {
        random.weighted(&[(10, r#"Location "/""#), (6, r#"Directory "@DIR@/htdocs""#), (1, r#"LocationMatch "^/""#)])
    };
    section(place, section_text(random, 97, place))
}

const PLACES: &[(usize, &str)] = &[
    (4, r#"Location "/""#),
    (10, r#"Location "/in/""#),
    (3, r#"Location "/in/deep""#),
    (4, r#"Location "/file.txt""#),
    (4, r#"Location "/p/""#),
    (3, r#"LocationMatch "^/(in|p)/""#),
    (2, r#"LocationMatch "^/(?<team>[^.]+)\.txt""#),
    (3, r#"Directory "@DIR@/htdocs""#),
    (8, r#"Directory "@DIR@/htdocs/in""#),
    (2, r#"DirectoryMatch "/in/?$""#),
    (4, r#"Files "file.txt""#),
    (2, r#"FilesMatch "\.(txt|shtml)$""#),
    (3, r#"If "%{REQUEST_METHOD} == 'OPTIONS'""#),
    (3, r#"If "-n %{HTTP:X-Guard}""#),
    (2, r#"If "%{REQUEST_URI} =~ m#^/in#""#),
    (1, r#"If "%{REMOTE_USER} == 'alice'""#),
    (3, r#"Proxy "*""#),
    (1, r#"Proxy "http://127.0.0.1:@BACKEND@/p/""#),
    (1, r#"ProxyMatch "in/""#),
];

/// The content of a section; `fullness` is the probability of the directives without which nothing works.
fn section_text(random: &mut Random, fullness: usize, place: &str) -> Vec<Node> {
    let mut nodes = directives(random, fullness);
    if random.chance(if fullness > 50 { 99 } else { 25 }) {
        let mut satisfy = access(random, 8);
        satisfy.extend(limited(random));
        nodes.extend(satisfy);
    }
    let may_hold_files = place.starts_with("Directory");
    if random.chance(6) && !place.starts_with("If") {
        let inner = if may_hold_files && random.chance(50) {
            r#"Files "file.txt""#
        } else {
            random.pick(&[r#"If "-n %{HTTP:X-Guard}""#, r#"If "%{REQUEST_METHOD} in {'GET','HEAD'}""#])
        };
        let mut inside = directives(random, 20);
        inside.extend(random.chance(60).then(|| requirement(random, 2)));
        nodes.push(section(inner, inside));
        if inner.starts_with("If") && random.chance(30) {
            nodes.push(section("Else", directives(random, 30)));
        }
    }
    if random.chance(15) {
        random.shuffle(&mut nodes);
        // An Else must follow its If.
        nodes.retain(|node| !matches!(node, Node::Section { open, .. } if open == "Else"));
    }
    nodes
}

/// The directives of one section or .htaccess file, without its requirements.
fn directives(random: &mut Random, fullness: usize) -> Vec<Node> {
    let sparse = fullness.max(8);
    let mut nodes = Vec::new();
    let mut add = |random: &mut Random, percent: usize, texts: &[(usize, &'static str)]| {
        if random.chance(percent) {
            nodes.extend(random.weighted(texts).lines().map(line));
        }
    };
    add(random, sparse, TYPES);
    add(random, sparse, REALMS);
    add(random, fullness.max(25), USER_FILES);
    add(random, fullness.max(20), GROUP_FILES);
    add(random, 22, PROVIDERS);
    add(random, 12, &[(3, "AuthBasicAuthoritative Off"), (2, "AuthBasicAuthoritative On")]);
    add(random, 4, FAKES);
    add(random, 3, &[(3, "AuthBasicUseDigestAlgorithm MD5"), (1, "AuthBasicUseDigestAlgorithm Off")]);
    add(
        random,
        if fullness > 50 { 3 } else { 16 },
        &[(3, "AuthMerging And"), (3, "AuthMerging Or"), (1, "AuthMerging Off")],
    );
    // For all modules alike: a level for one of them would name either ours or the stock one.
    add(random, 3, &[(3, "LogLevel info"), (1, "LogLevel error"), (1, "LogLevel crit")]);
    add(random, 8, &[(4, "AuthzSendForbiddenOnFailure On"), (1, "AuthzSendForbiddenOnFailure Off")]);
    nodes
}

const TYPES: &[(usize, &str)] = &[
    (60, "AuthType Basic"),
    (2, "AuthType basic"),
    (2, "AuthType BASIC"),
    (1, "AuthType None"),
    (3, "AuthType Digest\nAuthDigestProvider file"),
    (1, "AuthType Magic"),
    (1, "AuthType %{HTTP:X-Type}"),
];

const REALMS: &[(usize, &str)] = &[
    (30, "AuthName \"Elasticsearch server\""),
    (3, "AuthName elsewhere"),
    (1, "AuthName 'The \"inner\" realm'"),
    (1, "AuthName \"B\u{fc}ro\""),
    (1, "AuthName \"realm of %{HTTP:X-Group}\""),
];

const USER_FILES: &[(usize, &str)] = &[
    (40, "AuthUserFile \"@DIR@/users\""),
    (10, "AuthUserFile @DIR@/others"),
    (2, "AuthUserFile @DIR@/digests"),
    (1, "AuthUserFile @DIR@/nothing"),
    (1, "AuthUserFile @DIR@/folder"),
    (1, "AuthUserFile @DIR@/locked"),
    (1, "AuthUserFile /dev/null"),
    (1, "AuthUserFile conf/nothing"),
    (1, "AuthUserFile @DIR@/others\nAuthUserFile @DIR@/users"),
    (1, "AuthUserFile @DIR@/groups"),
];

const GROUP_FILES: &[(usize, &str)] = &[
    (40, "AuthGroupFile \"@DIR@/groups\""),
    (8, "AuthGroupFile @DIR@/teams"),
    (1, "AuthGroupFile @DIR@/nothing"),
    (1, "AuthGroupFile @DIR@/folder"),
    (1, "AuthGroupFile @DIR@/locked"),
    (1, "AuthGroupFile /dev/null"),
    (1, "AuthGroupFile @DIR@/users"),
];

/// Not `AuthnCacheProvideFor file`: stock httpd would answer from that cache with outdated content.
const PROVIDERS: &[(usize, &str)] = &[
    (10, "AuthBasicProvider file"),
    (3, "AuthBasicProvider file dbm\nAuthDBMUserFile @SHARED@/users.dbm"),
    (3, "AuthBasicProvider dbm file\nAuthDBMUserFile @SHARED@/users.dbm"),
    (1, "AuthBasicProvider dbm\nAuthDBMUserFile @SHARED@/users.dbm"),
    (1, "AuthBasicProvider file\nAuthBasicProvider dbm\nAuthDBMUserFile @SHARED@/users.dbm"),
    (1, "AuthBasicProvider dbm file\nAuthDBMUserFile @DIR@/nothing"),
    (2, "AuthBasicProvider file anon\nAnonymous *\nAnonymous_MustGiveEmail Off"),
    (2, "AuthBasicProvider anon file\nAnonymous guest"),
    (1, "AuthBasicProvider anon\nAnonymous alice mallory"),
    (1, "AuthBasicProvider file file"),
    (1, "AuthBasicProvider socache file"),
    (2, "AuthBasicProvider @NAME@-others"),
    (2, "AuthBasicProvider @NAME@-others file"),
    (2, "AuthBasicProvider file @NAME@-others"),
    (1, "AuthBasicProvider file ldap\nAuthLDAPURL ldap://127.0.0.1:1/o=nowhere?uid"),
];

const FAKES: &[(usize, &str)] = &[
    (2, "AuthBasicFake demo demopass"),
    (1, "AuthBasicFake demo"),
    (2, "AuthBasicFake %{REMOTE_USER} proxied"),
    (1, "AuthBasicFake %{HTTP:X-Group} pass-%{HTTP:X-Group}"),
    (1, "AuthBasicFake %{file:/nowhere/at/all}"),
    (1, "AuthBasicFake demo %{HTTP:X-None}"),
    (2, "AuthBasicFake Off"),
];

/// Requirements, for all methods or for some.
fn limited(random: &mut Random) -> Vec<Node> {
    let some = |random: &mut Random| -> Vec<Node> {
        let count = random.weighted(&[(8, 1), (2, 2), (1, 3)]);
        (0..count).map(|_| requirement(random, 3)).collect()
    };
    let limits =
        random.pick(&["LimitExcept OPTIONS", "LimitExcept GET HEAD", "Limit GET", "Limit POST PUT DELETE BREW"]);
    match random.below(20) {
        0..12 => some(random),
        12..16 => vec![section(limits, some(random))],
        16 => {
            let mut nodes = some(random);
            nodes.push(section("LimitExcept OPTIONS", Vec::new()));
            nodes
        }
        17 => {
            let mut nodes = some(random);
            nodes.push(section(limits, some(random)));
            nodes
        }
        18 => {
            let other = if limits.starts_with("LimitExcept") {
                limits.replace("LimitExcept", "Limit")
            } else {
                limits.replace("Limit", "LimitExcept")
            };
            vec![section(limits, some(random)), section(other, some(random))]
        }
        // All other content counts for every method.
        _ => {
            let mut inside = directives(random, 20);
            inside.extend(some(random));
            vec![section(limits, inside)]
        }
    }
}

/// The provider aliases in use, which only the main server's configuration can define.
fn aliases(text: &str) -> Vec<Node> {
    let mut found = Vec::new();
    if text.contains("@NAME@-others") {
        found.push(section("AuthnProviderAlias file @NAME@-others", vec![line("AuthUserFile @DIR@/others")]));
    }
    if text.contains("@NAME@-admins") {
        found.push(section("AuthzProviderAlias group @NAME@-admins admins", vec![line("AuthGroupFile @DIR@/groups")]));
    }
    found
}

fn htaccess(random: &mut Random) -> Vec<File> {
    let mut files = Vec::new();
    for (path, percent, fullness) in [("htdocs/.htaccess", 18, 50), ("htdocs/in/.htaccess", 12, 10)] {
        if !random.chance(percent) {
            continue;
        }
        let mut nodes = section_text(random, fullness, "Directory");
        if random.chance(6) {
            nodes.push(line(random.pick(REFUSED)));
        }
        // An alias belongs to the main server's configuration, which a .htaccess file cannot add to.
        let text = written(&nodes).replace("@NAME@-others", "file").replace("@NAME@-admins", "valid-user");
        let lines = text.split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect();
        files.push(File { path, role: Role::Other, lines });
    }
    files
}

const REFUSED: &[&str] = &[
    "AuthBasicProvider nosuch",
    "AuthBasicProvider file nosuch",
    "AuthBasicProvider FILE",
    "AuthBasicProvider",
    "AuthBasicProvider \"\"",
    "AuthBasicProvider group",
    "AuthDigestProvider anon",
    "AuthBasicAuthoritative maybe",
    "AuthBasicAuthoritative",
    "AuthUserFile",
    "AuthUserFile /a /b",
    "AuthUserFile \"\"",
    "AuthGroupFile",
    "AuthGroupFile /a standard",
    "AuthBasicFake",
    "AuthBasicFake a b c",
    "AuthBasicFake %{nosuch:x",
    "AuthBasicFake a %{nosuch:x",
    "AuthBasicUseDigestAlgorithm SHA",
    "Require group %{nosuch:x",
    "Require group %{nosuch:x}",
    "Require GROUP staff",
    "Require nosuch",
    "Require not group staff",
    "AuthName \"Elasticsearch server\" # or another",
    "AuthMerging Perhaps",
    "AuthName \"\"",
    "Require method BREW",
];
