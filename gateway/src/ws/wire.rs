//! What carries a WebSocket: a plain TCP connection, or any other stream of bytes (TLS). A plain one can be written to
//! from any thread, which is how a hot channel reaches thousands of sockets without waking a task for each. Knows no
//! frame and no message.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::server::TlsStream;

use super::Line;
use crate::limits::WRITE_JOINED_BYTES_MAX;

/// A connection as the listener hands it over.
pub trait Accepted: AsyncRead + AsyncWrite + Unpin + 'static {
    /// What it becomes when it is a WebSocket.
    type Wire: Wire;

    /// Gives the connection up to its WebSocket.
    fn into_wire(self) -> Self::Wire;
}

/// The bytes below one WebSocket.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + 'static {
    /// A way to write that any thread may use while the socket's own task has nothing to write. `None`: only the task
    /// can write.
    fn line(&self) -> Option<Arc<dyn Line>> {
        None
    }
}

impl Accepted for TcpStream {
    type Wire = TcpWire;

    fn into_wire(self) -> TcpWire {
        let (read, write) = self.into_split();
        TcpWire {
            read,
            write: Arc::new(TcpLine(write)),
        }
    }
}

/// Within TLS only the socket's own task writes: every byte goes through one cipher.
impl Accepted for TlsStream<TcpStream> {
    type Wire = Self;

    fn into_wire(self) -> Self {
        self
    }
}

impl Wire for TlsStream<TcpStream> {}

/// A plain TCP connection that is written from two sides, never at once: see [`Wire::line`].
#[derive(Debug)]
pub struct TcpWire {
    read: OwnedReadHalf,
    write: Arc<TcpLine>,
}

#[derive(Debug)]
struct TcpLine(OwnedWriteHalf);

impl TcpLine {
    /// What is small goes out as one piece: to copy it costs less than to have the system gather it.
    fn send(&self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        thread_local! {
            static JOINED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        if let [whole] = bytes {
            return self.0.try_write(whole);
        }
        if bytes.iter().map(|piece| piece.len()).sum::<usize>() > WRITE_JOINED_BYTES_MAX {
            return self.0.try_write_vectored(bytes);
        }
        JOINED.with_borrow_mut(|joined| {
            joined.clear();
            bytes.iter().for_each(|piece| joined.extend_from_slice(piece));
            self.0.try_write(joined)
        })
    }
}

impl Line for TcpLine {
    /// A whole frame goes past tokio's notes about the socket, which are memory of their own and cold: they are kept by
    /// the socket's task, which tries again what is not taken here before it waits.
    fn try_write(&self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match bytes {
            #[cfg(target_os = "linux")]
            [whole] => {
                use rustix::net::{SendFlags, send};
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(send(self.0.as_ref(), whole, flags)?)
            }
            _ => self.send(bytes),
        }
    }
}

impl Wire for TcpWire {
    fn line(&self) -> Option<Arc<dyn Line>> {
        Some(self.write.clone())
    }
}

impl AsyncRead for TcpWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TcpWire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.write.send(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.write.0.as_ref().poll_write_ready(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(self.read.as_ref()).shutdown(std::net::Shutdown::Write))
    }
}
