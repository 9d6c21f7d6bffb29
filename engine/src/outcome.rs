//! The outcome of a request, in the words of metrics and access logs.

use std::ffi::CStr;

/// The outcome of a request, as far as authentication is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It was admitted.
    Granted,
    /// The password is wrong.
    WrongPassword,
    /// No file has the user.
    UnknownUser,
    /// It had no credentials.
    NoCredentials,
    /// Its credentials had a scheme other than Basic.
    OtherScheme,
    /// The user was authenticated, but is in none of the required groups.
    NotInGroup,
    /// The user was authenticated, but another requirement was not met.
    OtherRequirement,
    /// The user was authenticated, but makes more requests than the user's limit.
    RateLimited,
    /// It was refused without a verdict, after too many failures.
    LockedOut,
    /// The hash queue was full.
    QueueFull,
    /// The configuration, a file or this program has a fault.
    Error,
}

impl Outcome {
    /// All of them, in order.
    pub const ALL: [Outcome; 11] = [
        Outcome::Granted,
        Outcome::WrongPassword,
        Outcome::UnknownUser,
        Outcome::NoCredentials,
        Outcome::OtherScheme,
        Outcome::NotInGroup,
        Outcome::OtherRequirement,
        Outcome::RateLimited,
        Outcome::LockedOut,
        Outcome::QueueFull,
        Outcome::Error,
    ];

    /// Its name in metrics and access logs.
    pub fn reason(self) -> &'static str {
        // ASCII all of them.
        self.reason_c().to_str().unwrap_or("")
    }

    /// The same as a C string.
    pub fn reason_c(self) -> &'static CStr {
        match self {
            Outcome::Granted => c"granted",
            Outcome::WrongPassword => c"wrong_password",
            Outcome::UnknownUser => c"unknown_user",
            Outcome::NoCredentials => c"no_credentials",
            Outcome::OtherScheme => c"other_scheme",
            Outcome::NotInGroup => c"not_in_group",
            Outcome::OtherRequirement => c"other_requirement",
            Outcome::RateLimited => c"rate_limited",
            Outcome::LockedOut => c"locked_out",
            Outcome::QueueFull => c"queue_full",
            Outcome::Error => c"error",
        }
    }

    /// The verdict that several outcomes share.
    pub fn verdict(self) -> &'static str {
        match self {
            Outcome::Granted => "granted",
            // No verdict.
            Outcome::LockedOut | Outcome::QueueFull | Outcome::Error => "failed",
            _ => "denied",
        }
    }
}
