//! The room page and the console of staff, embedded when `web/dist` was there at build time.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Page;

const INDEX: &str = "index.html";
/// The console, which has its own routes, too.
const CONSOLE: &str = "admin.html";
/// The console moves money: it runs only what came with it, and nobody shows it inside another page, where a press might
/// be stolen.
const CONSOLE_POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// The build puts a digest into the name of every file below `assets/`: a name never changes its content.
const DIGESTED: &str = "assets/";
/// What only a demo has. Elsewhere it must not look as if it were there: the page asks, to know where it is.
const DEMO_ONLY: &str = "dev/";

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Livehouse</title>
<style>body{font:16px/1.6 system-ui;max-width:42rem;margin:15vh auto;padding:0 1rem;background:#14110f;color:#f3ebe2}code{color:#ffb454}</style>
<h1>Livehouse is running</h1>
<p>The room page was not there when this binary was built. Build both with <code>cargo xtask demo</code> (it needs Node.js 20 or
newer), or by hand: <code>cd web &amp;&amp; npm ci &amp;&amp; npm run build</code>, then <code>cargo build</code> again.</p>
<p>Clients do not need it: they connect to <code>/connection/websocket</code>.</p>
";

/// The file for a path without its leading slash: every path without a dot is one of the two pages.
fn file_of(path: &str) -> &str {
    if path.contains('.') || path.starts_with(DEMO_ONLY) {
        path
    } else if path == "admin" || path.starts_with("admin/") {
        CONSOLE
    } else {
        INDEX
    }
}

/// Serves a file of the page; every unknown path without a dot is the page itself, which has its own routes.
pub(super) async fn serve(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches('/');
    let name = file_of(path);
    let Some(file) = Page::get(name) else {
        return match name {
            INDEX | CONSOLE => HttpResponse::Ok()
                .content_type("text/html; charset=utf-8")
                .body(NOT_BUILT),
            _ => HttpResponse::NotFound()
                .content_type("text/plain")
                .body("no such file\n"),
        };
    };
    let digest: String = file
        .metadata
        .sha256_hash()
        .iter()
        .take(16)
        .map(|b| format!("{b:02x}"))
        .collect();
    let tag = format!("\"{digest}\"");
    let cache = if name.starts_with(DIGESTED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = request
        .headers()
        .get(IF_NONE_MATCH)
        .is_some_and(|h| h.as_bytes() == tag.as_bytes());
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((CACHE_CONTROL, cache))
        .insert_header((ETAG, tag))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if name == CONSOLE {
        answer
            .insert_header((CONTENT_SECURITY_POLICY, CONSOLE_POLICY))
            .insert_header((REFERRER_POLICY, "no-referrer"));
    }
    if known {
        return answer.finish();
    }
    answer
        .content_type(content_type(name))
        .body(file.data.into_owned())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::{CONSOLE, INDEX, file_of};

    #[test]
    fn every_path_without_a_dot_is_the_page_and_below_admin_the_console() {
        for path in ["", "lobby", "administrator", "rooms/admin"] {
            assert_eq!(file_of(path), INDEX, "{path}");
        }
        for path in ["admin", "admin/", "admin/withdrawals"] {
            assert_eq!(file_of(path), CONSOLE, "{path}");
        }
        for path in ["assets/index-1.js", "dev/token"] {
            assert_eq!(file_of(path), path);
        }
    }
}
