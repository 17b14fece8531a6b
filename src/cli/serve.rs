//! `livehouse serve`: the server.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Listen, Sources};
use crate::serve::{Server, Signals};
use crate::telemetry;

/// Run the server.
///
/// It prints its address on standard output when it serves, and logs to standard error. SIGTERM or SIGINT stop it gracefully.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    listen: Listen,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut config = args.sources.load()?;
    if let Some(listen) = args.listen.listen {
        config.listen = listen;
    }
    telemetry::start(&config.log)?;
    actix_web::rt::System::new().block_on(async {
        let signals = Signals::watch()?;
        let server = Server::start(&config, None).await?;
        println!("{}", server.url);
        tracing::info!(address = %server.address, data = %config.data.display(), "serving");
        server.run(signals).await
    })?;
    Ok(ExitCode::SUCCESS)
}
