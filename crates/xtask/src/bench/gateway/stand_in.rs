//! The stand-in for a model provider, in a process of its own, as a provider is.

use std::net::SocketAddr;

use tokio::net::TcpListener;

#[derive(clap::Args)]
pub struct Listen {
    /// Where to listen. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

impl Listen {
    /// Listens, says where in one line, and serves until it is killed.
    pub fn serve(&self, serve: impl AsyncFnOnce(TcpListener) -> Result<(), String>) -> Result<(), String> {
        let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let listener = TcpListener::bind(self.listen).await.map_err(|error| error.to_string())?;
            println!("{}", listener.local_addr().map_err(|error| error.to_string())?);
            serve(listener).await
        })
    }
}

pub fn stand_in(listen: &Listen) -> Result<(), String> {
    listen.serve(async |listener| {
        sandbox::models::serve(listener, std::future::pending()).await;
        Ok(())
    })
}
