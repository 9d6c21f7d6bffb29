//! Finds nginx's headers, generates the Rust bindings from them, compiles the C shim, and sets `cfg(nginx)`.
//!
//! The headers are those of Debian's package nginx-dev, configured as Debian's nginx is; or `$NGINX_SOURCE`, the source
//! folder of another nginx in which `./configure --with-compat --with-threads …` was run. Without any, the crate is empty,
//! so that the workspace builds everywhere; `make nginx` then says what is missing.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

#[path = "../build/bindings.rs"]
mod bindings;

use bindings::Items;

/// Where nginx-dev puts the sources.
const DEBIAN: &str = "/usr/share/nginx/src";

/// The folders of headers below an nginx source folder.
const INCLUDES: &[&str] = &[
    "objs",
    "src/core",
    "src/event",
    "src/event/modules",
    "src/event/quic",
    "src/os/unix",
    "src/http",
    "src/http/modules",
    "src/http/v2",
    "src/http/v3",
];

const FUNCTIONS: &[&str] = &[
    "esauth_.*",
    "ngx_conf_full_name",
    "ngx_conf_log_error",
    "ngx_conf_set_num_slot",
    "ngx_conf_set_sec_slot",
    "ngx_http_add_variable",
    "ngx_http_auth_basic_user",
    "ngx_http_cleanup_add",
    "ngx_http_compile_complex_value",
    "ngx_http_complex_value",
    "ngx_parse_time",
    "ngx_pcalloc",
    "ngx_pnalloc",
    "ngx_pool_cleanup_add",
    "ngx_thread_pool_add",
    "ngx_thread_pool_get",
    "ngx_thread_task_post",
    "ngx_array_push",
];
const TYPES: &[&str] = &[
    "ngx_command_t",
    "ngx_conf_t",
    "ngx_http_compile_complex_value_t",
    "ngx_http_complex_value_t",
    "ngx_http_conf_ctx_t",
    "ngx_http_core_loc_conf_t",
    "ngx_http_core_main_conf_t",
    "ngx_http_module_t",
    "ngx_http_phases",
    "ngx_http_request_t",
    "ngx_http_variable_t",
    "ngx_http_variable_value_t",
    "ngx_module_t",
    "ngx_thread_task_t",
];
const VARIABLES: &[&str] = &[
    "NGINX_VERSION",
    "NGX_CONF_.*",
    "NGX_ERROR",
    "NGX_HTTP_.*_CONF",
    "NGX_HTTP_GET",
    "NGX_HTTP_HEAD",
    "NGX_HTTP_OK",
    "NGX_HTTP_VAR_.*",
    "NGX_HTTP_INTERNAL_SERVER_ERROR",
    "NGX_HTTP_MODULE",
    "NGX_LOG_.*",
    "NGX_OK",
    "NGX_PROCESS_HELPER",
    "NGX_PROCESS_MASTER",
    "NGX_PROCESS_SINGLE",
    "NGX_PROCESS_WORKER",
    "esauth_signature",
    "nginx_version",
    "ngx_cycle",
    "ngx_http_core_module",
    "ngx_http_module",
    "ngx_ncpu",
    "ngx_process",
    "ngx_test_config",
    "ngx_worker",
];

fn main() {
    for input in ["build.rs", "../build", "wrapper.h", "shim.c", "shim.h"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=NGINX_SOURCE");
    println!("cargo::rustc-check-cfg=cfg(nginx)");
    let source = match env::var_os("NGINX_SOURCE").filter(|path| !path.is_empty()) {
        Some(path) => configured(PathBuf::from(path)),
        None => match configured_as_debian_does() {
            Some(folder) => folder,
            None => return println!("cargo::warning=without {DEBIAN}, the nginx module is left out"),
        },
    };
    println!("cargo::rustc-cfg=nginx");
    let flags: Vec<String> = INCLUDES.iter().map(|folder| format!("-I{}", source.join(folder).display())).collect();
    compile_shim(&flags);
    let items = Items { functions: FUNCTIONS, types: TYPES, variables: VARIABLES };
    if let Err(why) = bindings::generate("wrapper.h", &flags, &items, "nginx") {
        missing(&why);
    }
}

fn configured(source: PathBuf) -> PathBuf {
    let header = source.join("objs/ngx_auto_config.h");
    if !header.is_file() {
        missing(&format!("{} is missing: run ./configure --with-compat --with-threads there", header.display()));
    }
    println!("cargo::rerun-if-changed={}", header.display());
    source
}

/// A copy of nginx-dev's sources, configured with the options of Debian's nginx. Made again only if they have changed,
/// since configuring takes seconds. `None`: nginx-dev is not installed.
fn configured_as_debian_does() -> Option<PathBuf> {
    let (from, to) = (Path::new(DEBIAN), out_folder().join("nginx"));
    for file in ["src/core/nginx.h", "conf_flags"] {
        println!("cargo::rerun-if-changed={DEBIAN}/{file}");
    }
    let read = |name: &str| fs::read_to_string(from.join(name)).ok();
    let (version, flags) = (read("src/core/nginx.h")?, read("conf_flags")?);
    let (stamp, made_from) = (to.join("stamp"), version + &flags);
    if fs::read_to_string(&stamp).is_ok_and(|before| before == made_from) {
        return Some(to);
    }
    let _ = fs::remove_dir_all(&to);
    run("cp", [OsStr::new("-rL"), from.as_os_str(), to.as_os_str()], &out_folder());
    run("bash", ["-c", ". ./conf_flags && ./configure \"${NGX_CONF_FLAGS[@]}\""], &to);
    if let Err(error) = fs::write(&stamp, made_from) {
        missing(&format!("{} cannot be written: {error}", stamp.display()));
    }
    Some(to)
}

fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>, folder: &Path) {
    match Command::new(program).args(arguments).current_dir(folder).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            missing(&format!("nginx's sources cannot be configured:\n{}", String::from_utf8_lossy(&text)))
        }
        Err(error) => missing(&format!("{program} does not run: {error}")),
    }
}

fn out_folder() -> PathBuf {
    bindings::out_folder().unwrap_or_else(|why| missing(&why))
}

fn compile_shim(flags: &[String]) {
    // nginx's own headers have unused parameters.
    let mut build = bindings::c_build(flags);
    build.flag("-Wno-unused-parameter");
    if let Err(error) = build.file("shim.c").warnings(true).try_compile("esauth_nginx_shim") {
        missing(&format!("shim.c does not compile: {error}"));
    }
}

/// Ends the build with the missing part and the packages that provide it.
fn missing(what: &str) -> ! {
    eprintln!(
        "\n{what}\n\nThe nginx module is built against nginx's headers. Debian and Ubuntu have them in a package:\n  \
         apt-get install nginx-dev libclang-dev gcc\nElsewhere, set NGINX_SOURCE to the configured sources of the nginx \
         that is to load it.\n"
    );
    exit(1)
}
