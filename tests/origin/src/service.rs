//! A request goes in, an answer comes out: right, or wrong in the way that has been asked for.

use super::body::{Body, Ending, body};
use super::files::{Asked, Found, asked};
use super::server::State;
use super::{Behaviour, Kind, Logged, Rule};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use socket2::SockRef;
use std::io::{Error, Result};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Answers a request; an error ends the connection without an answer. `socket` is the connection's.
pub(crate) async fn answer(
    state: Arc<State>,
    socket: Arc<TcpStream>,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    if let Some(what) = request.uri().path().strip_prefix("/_origin/") {
        let what = what.to_owned();
        return control(&state, &what, request).await;
    }
    let (method, uri) = (request.method().as_str().to_owned(), request.uri().clone());
    let range = request.headers().get(RANGE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let count = state.stats().arrive(&method, uri.path());
    let behaviour = state.behaviour();
    let rule = behaviour.draw(uri.path(), uri.query().unwrap_or_default(), count);
    let path = uri.path().to_owned();
    let fault = rule.map(|rule| rule.kind);
    state.stats().note(Logged { method, path, range: range.clone(), fault });
    tokio::time::sleep(behaviour.delay(uri.path(), count)).await;
    match rule {
        Some(Rule { kind: Kind::Reset, .. }) => {
            // Without lingering the connection is reset as soon as it is closed.
            SockRef::from(&*socket).set_linger(Some(Duration::ZERO))?;
            Err(Error::other("reset on purpose"))
        }
        Some(rule) if refusal(rule.kind).is_some() => Ok(refuse(rule)),
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "")),
        _ => serve(state, &request, range.as_deref(), fault),
    }
}

fn refusal(kind: Kind) -> Option<(StatusCode, &'static str)> {
    match kind {
        Kind::TooManyRequests => Some((StatusCode::TOO_MANY_REQUESTS, "slow down")),
        Kind::Unavailable => Some((StatusCode::SERVICE_UNAVAILABLE, "ServerBusy")),
        Kind::Expired => Some((StatusCode::FORBIDDEN, "AuthenticationFailed")),
        Kind::Unsigned => Some((StatusCode::CONFLICT, "PublicAccessNotPermitted")),
        _ => None,
    }
}

fn refuse(rule: &Rule) -> Response<Body> {
    let (status, text) = refusal(rule.kind).unwrap_or((StatusCode::INTERNAL_SERVER_ERROR, ""));
    let mut response = plain(status, text);
    if let Some(seconds) = rule.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Serves a file or a part of it.
fn serve(
    state: Arc<State>,
    request: &Request<Incoming>,
    range: Option<&str>,
    fault: Option<Kind>,
) -> Result<Response<Body>> {
    let Ok(found) = Found::look_up(state.folder(), request.uri().path()) else {
        return Ok(plain(StatusCode::NOT_FOUND, "no such file"));
    };
    let asked = if fault == Some(Kind::Whole) { Asked::Whole } else { asked(range, found.size) };
    let etag = if fault == Some(Kind::OtherEtag) { state.odd_etag() } else { found.etag.clone() };
    let builder = Response::builder().header(ACCEPT_RANGES, "bytes").header(ETAG, etag);
    let (builder, part) = match asked {
        Asked::Whole => (builder.status(StatusCode::OK), 0..found.size),
        Asked::Beyond => {
            let builder = builder.status(StatusCode::RANGE_NOT_SATISFIABLE);
            (builder.header(CONTENT_RANGE, format!("bytes */{}", found.size)), 0..0)
        }
        Asked::Part(part) => {
            let told = content_range(&part, found.size, fault == Some(Kind::WrongRange));
            (builder.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, told), part)
        }
    };
    let builder =
        builder.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, part.end - part.start);
    let is_head = *request.method() == Method::HEAD;
    let part = found.part(if is_head { 0..0 } else { part })?;
    let ending = match fault {
        Some(Kind::Truncate) => Ending::Cut,
        Some(Kind::Stall) => Ending::Stall,
        _ => Ending::Complete,
    };
    builder.body(body(state, part, ending)).map_err(Error::other)
}

fn content_range(part: &Range<u64>, size: u64, is_wrong: bool) -> String {
    let shift = u64::from(is_wrong);
    format!("bytes {}-{}/{}", part.start + shift, part.end - 1 + shift, size + shift)
}

/// Tells what has happened, forgets it, or changes the behaviour.
async fn control(state: &State, what: &str, request: Request<Incoming>) -> Result<Response<Body>> {
    match (request.method(), what) {
        (&Method::GET, "stats") => {
            let stats = serde_json::to_string(&*state.stats())?;
            Ok(plain(StatusCode::OK, stats))
        }
        (&Method::DELETE, "stats") => {
            *state.stats() = super::Stats::default();
            Ok(plain(StatusCode::NO_CONTENT, ""))
        }
        (&Method::PUT, "behaviour") => {
            let text = request.into_body().collect().await.map_err(Error::other)?.to_bytes();
            Ok(match serde_json::from_slice::<Behaviour>(&text) {
                Ok(behaviour) => {
                    state.behave(behaviour);
                    plain(StatusCode::NO_CONTENT, "")
                }
                Err(error) => plain(StatusCode::BAD_REQUEST, error.to_string()),
            })
        }
        _ => Ok(plain(StatusCode::NOT_FOUND, "stats or behaviour")),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()).map_err(Error::other).boxed_unsync());
    *response.status_mut() = status;
    response
}
