//! An href goes in, the name under which its bytes are kept comes out: without what merely opens the door (pure).

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use url::Url;

/// Parameters that let somebody in, lower case: they change while the file stays the same. Sources: AWS, "Authenticating
/// Requests: Using Query Parameters" and `CloudFront`, "Use signed URLs"; Google, "Signed URLs".
const CREDENTIALS: &[&str] = &[
    "sig",
    "signature",
    "expires",
    "policy",
    "key-pair-id",
    "awsaccesskeyid",
    "googleaccessid",
    "token",
    "access_token",
    "api_key",
    "apikey",
    "subscription-key",
];

/// The same, by how their names begin.
const CREDENTIAL_PREFIXES: &[&str] = &["x-amz-", "x-goog-"];

/// What stands beside Azure's `sig`; without it names as short as these may mean anything. Source: "Create a service SAS"
/// and "Create a user delegation SAS".
const BESIDE_SIG: &[&str] = &[
    "sv", "st", "se", "sr", "sp", "spr", "sip", "si", "ss", "srt", "ses", "sdd", "skoid", "sktid", "skt", "ske", "sks",
    "skv", "saoid", "suoid", "scid", "rscc", "rscd", "rsce", "rscl", "rsct",
];

/// What an http(s) URL names, whoever asks: without user, password, fragment and signature. What is left of a query may
/// still tell two files apart, and may be a secret that we do not know as one: a digest stands for it. None for anything
/// that is no http(s) URL.
///
/// ```
/// use bestpixel::cache::identity;
/// assert_eq!(identity("https://host/a.tif?sig=SECRET").unwrap(), "https://host/a.tif");
/// assert_ne!(identity("https://host/get?id=1"), identity("https://host/get?id=2"));
/// ```
pub fn identity(href: &str) -> Option<String> {
    let url = Url::parse(href).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let has_sig = url.query_pairs().any(|(name, _)| name == "sig");
    let is_signature = |name: &str| is_credential(name) || has_sig && BESIDE_SIG.contains(&name);
    let rest: Vec<_> = url.query_pairs().filter(|(name, _)| !is_signature(name)).collect();
    let bare = crate::fetch::redact(href);
    if rest.is_empty() {
        return Some(bare);
    }
    let mut digest = DefaultHasher::new();
    rest.hash(&mut digest);
    Some(format!("{bare}?{:016x}", digest.finish()))
}

fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.contains(&name.as_str()) || CREDENTIAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether an href surely holds no secret, so that it may be kept as it is.
pub fn is_bare(href: &str) -> bool {
    !href.contains(['?', '@', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_do_not_count() {
        let bare = Some("https://host/a.tif".to_owned());
        for href in [
            "https://host/a.tif",
            "https://user:SECRET@host/a.tif#SECRET",
            "https://host/a.tif?sv=2021&st=2024-01-01&se=2024-01-02&sr=c&sp=rl&sig=SECRET",
            "https://host/a.tif?X-Amz-Signature=SECRET&X-Amz-Date=1",
            "https://host/a.tif?token=SECRET",
        ] {
            assert_eq!(identity(href), bare, "{href}");
        }
    }

    #[test]
    fn what_tells_files_apart_counts_and_is_not_written() {
        let [one, other] = ["one", "other"].map(|id| identity(&format!("https://host/get?id={id}&sig=1")).unwrap());
        assert_ne!(one, other);
        assert!(!one.contains("one") && one.starts_with("https://host/get?"), "{one}");
        assert_eq!(identity("https://host/get?sig=2&id=one").unwrap(), one);
        assert_ne!(identity("https://host/get?sp=1"), identity("https://host/get?sp=2"));
    }

    #[test]
    fn local_files_have_none() {
        for href in ["/a.tif", "file:///a.tif", "a.tif", "s3://bucket/a.tif"] {
            assert_eq!(identity(href), None);
        }
    }
}
