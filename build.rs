//! Finds httpd's and APR's headers through apxs, generates the Rust bindings from them, compiles the C shim, and sets the
//! httpd generation of the build: `cfg(httpd = "2.2")` or `cfg(httpd = "2.4")`.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

#[path = "build/bindings.rs"]
mod bindings;

use bindings::Items;

/// The items of httpd and APR that `src/` uses, so that the bindings stay readable and build fast.
const FUNCTIONS: &[&str] = &[
    "ap_auth_name",
    "ap_auth_type",
    "ap_check_cmd_context",
    "ap_close_listeners",
    "ap_add_input_filter_handle",
    "ap_add_output_filter_handle",
    "ap_custom_response",
    "ap_discard_request_body",
    "ap_exists_config_define",
    "ap_expr_parse_cmd_mi",
    "ap_expr_str_exec",
    "ap_find_linked_module",
    "ap_getword_conf",
    "ap_getword_white",
    "ap_hook_.*",
    "ap_get_brigade",
    "ap_lookup_provider",
    "ap_map_http_request_error",
    "ap_md5",
    "ap_mpm_query",
    "ap_note_auth_failure",
    "ap_pass_brigade",
    "ap_pbase64encode",
    "ap_register_auth_provider",
    "ap_register_input_filter",
    "ap_register_output_filter",
    "ap_remove_input_filter",
    "ap_remove_output_filter",
    "ap_request_has_body",
    "ap_set_content_length",
    "ap_register_provider",
    "ap_requires",
    "ap_rwrite",
    "ap_server_root_relative",
    "ap_set_content_type",
    "ap_set_file_slot",
    "ap_state_query",
    "apr_base64_decode",
    "apr_brigade_cleanup",
    "apr_brigade_write",
    "apr_base64_decode_len",
    "apr_dynamic_fn_retrieve",
    "apr_optional_hook_add",
    "apr_palloc",
    "apr_pool_cleanup_null",
    "apr_pool_cleanup_register",
    "apr_proc_other_child_register",
    "apr_proc_other_child_unregister",
    "apr_table_elts",
    "apr_table_get",
    "apr_table_setn",
    "apr_table_unset",
    "esauth_.*",
];
const TYPES: &[&str] = &[
    "ap_directive_t",
    "apr_table_entry_t",
    "authn_provider",
    "authn_provider_list",
    "authn_status",
    "authz_provider",
    "authz_status",
    "command_rec",
    "esauth_context",
    "esauth_level",
    "module",
    "request_rec",
    "require_line",
    "server_rec",
];
const CONSTANTS: &[&str] = &[
    "ACCESS_CONF",
    "AP_AUTH_INTERNAL_PER_CONF",
    "AP_EXPR_FLAG_STRING_RESULT",
    "AP_MPMQ_MAX_.*",
    "AP_MPMQ_MPM_STATE",
    "AP_MPMQ_STOPPING",
    "AP_SQ_RM_CONFIG_TEST",
    "AP_SQ_RUN_MODE",
    "APR_HOOK_.*",
    "APR_OC_REASON_.*",
    "APR_SUCCESS",
    "AP_MODE_GETLINE",
    "AP_MODE_READBYTES",
    "AP_FTYPE_RESOURCE",
    "APR_BLOCK_READ",
    "APR_NONBLOCK_READ",
    "HTTP_.*",
    "M_GET",
    "M_INVALID",
    "MODULE_MAGIC_COOKIE",
    "MODULE_MAGIC_NUMBER_MAJOR",
    "MODULE_MAGIC_NUMBER_MINOR",
    "OR_AUTHCFG",
    "OR_FILEINFO",
    "RSRC_CONF",
    "OK",
    "DECLINED",
    "DONE",
    "PROXYREQ_PROXY",
    "ap_conftree",
    "ap_unixd_config",
    "unixd_config",
];

fn main() {
    for input in ["build.rs", "build", "apache"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=APXS");
    println!("cargo::rustc-check-cfg=cfg(httpd, values(\"2.2\", \"2.4\"))");

    let apxs = Apxs::find();
    let flags = apxs.preprocessor_flags();
    let (httpd, apr) = apxs.includes();
    for folder in apr.iter().chain([&httpd]) {
        // cargo checks every file in it.
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let generation = generation(&httpd);
    println!("cargo::rustc-cfg=httpd=\"{generation}\"");
    compile_shim(&flags);
    let items = Items { functions: FUNCTIONS, types: TYPES, variables: CONSTANTS };
    if let Err(why) = bindings::generate("apache/wrapper.h", &flags, &items, "httpd") {
        missing(&why);
    }
}

/// The apxs of the httpd to build for.
struct Apxs {
    program: String,
}

impl Apxs {
    /// `$APXS`, else the first of `apxs` and `apxs2` that runs.
    fn find() -> Apxs {
        let candidates = match env::var("APXS") {
            Ok(chosen) if !chosen.is_empty() => vec![chosen],
            _ => vec!["apxs".to_owned(), "apxs2".to_owned()],
        };
        for program in &candidates {
            let apxs = Apxs { program: program.clone() };
            if apxs.query("INCLUDEDIR").is_some() {
                if let Some(file) = apxs.file() {
                    println!("cargo::rerun-if-changed={}", file.display());
                }
                return apxs;
            }
        }
        let tried = candidates.join(" and ");
        missing(&format!("apxs, httpd's build tool, does not run (tried {tried}; set APXS to name another)"))
    }

    /// The program's path: as named with its folder, or found in PATH.
    fn file(&self) -> Option<PathBuf> {
        if self.program.contains('/') {
            return Path::new(&self.program).canonicalize().ok();
        }
        let folders = env::var_os("PATH")?;
        env::split_paths(&folders).map(|folder| folder.join(&self.program)).find(|file| file.is_file())
    }

    /// A value of httpd's build, `None` if apxs has none or does not run.
    fn query(&self, name: &str) -> Option<String> {
        let output = Command::new(&self.program).args(["-q", name]).output().ok()?;
        let value = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !value.is_empty()).then_some(value)
    }

    /// Folders of httpd's and of APR's headers.
    fn includes(&self) -> (PathBuf, Vec<PathBuf>) {
        let Some(httpd) = self.query("INCLUDEDIR").map(PathBuf::from) else {
            missing(&format!("{} names no folder of headers", self.program));
        };
        if !httpd.join("httpd.h").is_file() {
            missing(&format!("httpd.h is not in {}, where {} says", httpd.display(), self.program));
        }
        let apr = ["APR_INCLUDEDIR", "APU_INCLUDEDIR"].iter().filter_map(|name| self.query(name)).map(PathBuf::from);
        (httpd, apr.collect())
    }

    fn preprocessor_flags(&self) -> Vec<String> {
        let (httpd, apr) = self.includes();
        let mut flags: Vec<String> =
            [httpd].into_iter().chain(apr).map(|path| format!("-I{}", path.display())).collect();
        for name in ["EXTRA_CPPFLAGS", "EXTRA_INCLUDES"] {
            let value = self.query(name).unwrap_or_default();
            flags.extend(value.split_whitespace().filter(|flag| *flag != "-I.").map(str::to_owned));
        }
        flags.dedup();
        flags
    }
}

/// The generation, from the module magic number in ap_mmn.h: httpd loads no module built for another.
fn generation(include_folder: &Path) -> &'static str {
    let header = include_folder.join("ap_mmn.h");
    let text = std::fs::read_to_string(&header)
        .unwrap_or_else(|error| missing(&format!("{} cannot be read: {error}", header.display())));
    let major = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("#define") && words.next() == Some("MODULE_MAGIC_NUMBER_MAJOR")).then(|| words.next())?
    });
    match major.and_then(|number| number.parse().ok()) {
        Some(20051115u32) => "2.2",
        Some(20120211u32) => "2.4",
        _ => {
            eprintln!(
                "{} has MODULE_MAGIC_NUMBER_MAJOR {}: rust_esauth is written for httpd 2.2 (20051115) and 2.4 (20120211)",
                header.display(),
                major.unwrap_or("missing")
            );
            exit(1)
        }
    }
}

fn compile_shim(flags: &[String]) {
    let files = ["apache/shim.c", "apache/proxied.c", "apache/late.c"];
    if let Err(error) = bindings::c_build(flags).files(files).warnings(true).try_compile("esauth_shim") {
        missing(&format!("apache/*.c do not compile: {error}"));
    }
}

/// Ends the build with the missing part and the packages that provide it.
fn missing(what: &str) -> ! {
    let mut message =
        format!("\n{what}\n\nrust_esauth is built against httpd's headers, which these packages bring:\n");
    for (system, command) in [
        ("Debian, Ubuntu", "apt-get install apache2-dev libclang-dev gcc"),
        ("Fedora, RHEL", "dnf install httpd-devel apr-devel apr-util-devel clang-devel gcc"),
    ] {
        let _ = writeln!(message, "  {system:15} {command}");
    }
    eprintln!("{message}");
    exit(1)
}
