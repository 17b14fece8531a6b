//! What clients can ask: one file per family of methods.
//!
//! Here a request becomes a command of the domain or a question to a view, and an outcome becomes JSON. Nothing is
//! decided here.

use std::borrow::Cow;

use domain::Rejection;

mod request;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The domain, or an actor, refused it.
    Rejected(Rejection),
    /// The data cannot be read; the text names the field.
    BadRequest(String),
    /// No such method.
    UnknownMethod,
    /// The platform's own fault; the cause is in the log.
    Internal,
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl Failure {
    /// The number and words that the client gets.
    pub fn code_and_message(&self) -> (u32, Cow<'static, str>) {
        match self {
            Self::Rejected(rejection) => (rejection.code().into(), rejection.to_string().into()),
            Self::BadRequest(what) => {
                let code = Rejection::BadRequest.code().into();
                (code, format!("{}: {what}", Rejection::BadRequest).into())
            }
            Self::UnknownMethod => (104, "method not found".into()),
            Self::Internal => (100, "internal server error".into()),
        }
    }
}
